"""What is wrong with a dataset: one finding per image or pair of images; ``findings.csv``."""

import csv
import io
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from covseg.config.data import Dataset, Split
from covseg.data.index import Key
from covseg.data.layout import PATIENT_CLASSES
from covseg.errors import DataError
from covseg.files import write_whole

_VERSION = 1  # of the search: findings of another one are not used
_EXPLORE = "use the findings.csv of covseg.explore"
COLUMNS = ("kind", "split_a", "class_a", "name_a", "split_b", "class_b", "name_b", "value")
# pairs of images that show one radiograph
COPIES = (
    *("exact_duplicate", "near_duplicate", "near_duplicate_mirrored"),
    *("aligned_duplicate", "aligned_duplicate_mirrored"),
)
KINDS = (
    *("missing", "unreadable", "wrong_mode", "wrong_size", "wrong_values", "odd_name"),
    *("empty_mask", "unexpected_infection", "infection_outside_lung", "infection_is_lung"),
    *(*COPIES, "masks_disagree"),
)


@dataclass(frozen=True)
class Finding:
    """One line of ``findings.csv``.

    Attributes:
        kind: one of ``KINDS``.
        a: split, class and name of an image.
        b: of the other image of a pair, None for a finding about one image.
        value: a correlation, a Dice, a share of pixels, or a text about a file.
    """

    kind: str
    a: Key
    b: Key | None = None
    value: float | str = ""

    @property
    def is_leak(self) -> bool:
        """Whether one radiograph is in two splits."""
        return self.kind in COPIES and self.b is not None and self.a[0] != self.b[0]


def cached(cache_dir: str | Path, fingerprint: str) -> Path:
    """The file for the findings that ``covseg.explore`` makes of a dataset; it may not exist."""
    return Path(cache_dir).expanduser().resolve() / f"findings{_VERSION}-{fingerprint[:16]}.csv"


def explore_command(data: Dataset) -> str:
    """The command that makes the findings of this data."""
    overrides = [_override("data.cache_dir", data.cache_dir)]
    if data.root is not None:
        overrides.append(_override("data.root", data.root))
    elif data.phantom is not None:
        counts = ",".join(f"{split}:{n}" for split, n in data.phantom.n_images.items())
        overrides += ["data=phantom", f"data.phantom.seed={data.phantom.seed}"]
        overrides += [f"'data.phantom.n_images={{{counts}}}'"]
        overrides += ["data.phantom.lung_tree=true"] * data.phantom.lung_tree
    overrides += ["data.download=true"] * data.download
    return f"python -m covseg.explore {' '.join(overrides)}"


def _override(key: str, value: str) -> str:
    """A path for Hydra and the shell, in quotes if it has a character that either one parses."""
    if re.fullmatch(r"[\w./-]+", value, re.ASCII):
        return f"{key}={value}"
    return shlex.quote(f'{key}="{value}"')


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write ``findings.csv``, sorted by kind and image.

    Raises:
        RunError: it cannot be written.
    """
    table = io.StringIO(newline="")
    lines = csv.writer(table)
    lines.writerow(COLUMNS)
    for finding in sorted(findings, key=lambda f: (KINDS.index(f.kind), f.a, f.b or ())):
        value = f"{finding.value:.6g}" if isinstance(finding.value, float) else finding.value
        lines.writerow([finding.kind, *finding.a, *(finding.b or ("", "", "")), value])
    write_whole(path, table.getvalue())


def read(path: Path) -> list[Finding]:
    """Read a file of ``write``; the user may have removed lines.

    Raises:
        DataError: no such file, or not one of ``write``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet adds a mark
            head, *lines = [*csv.reader(file)] or [[]]
            if tuple(head) != COLUMNS:
                raise DataError(path, f"has other columns than {','.join(COLUMNS)}", _EXPLORE)
            numbered = ((number, line) for number, line in enumerate(lines, 2) if any(line))
            return [_finding(path, number, line) for number, line in numbered]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(path, f"cannot be read ({reason})", _EXPLORE) from error


def _finding(path: Path, number: int, line: Sequence[str]) -> Finding:
    if len(line) != len(COLUMNS) or line[0] not in KINDS:
        raise _broken(path, number, "is not a finding")
    kind, *keys, value = line
    a, b = _key(path, number, keys[:3]), None
    if any(keys[3:]) or kind in COPIES:
        b = _key(path, number, keys[3:])
    try:
        return Finding(kind, a, b, float(value))
    except ValueError:
        return Finding(kind, a, b, value)


def _key(path: Path, number: int, columns: Sequence[str]) -> Key:
    split, patient_class, name = columns
    if split not in get_args(Split) or patient_class not in PATIENT_CLASSES or not name:
        raise _broken(path, number, f"does not name an image ({split}/{patient_class}/{name})")
    return split, patient_class, name


def _broken(path: Path, number: int, cause: str) -> DataError:
    return DataError(f"{path}, line {number},", cause, "make the file again with covseg.explore")
