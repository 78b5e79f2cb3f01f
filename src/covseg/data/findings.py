"""What is wrong with a dataset: one finding a file, or a pair of images; ``findings.csv``."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from covseg.config.data import Split
from covseg.data.index import Key
from covseg.data.layout import PATIENT_CLASSES
from covseg.errors import DataError
from covseg.files import write_whole

_VERSION = 1  # of the search: what another one has found is searched for again
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
        b: of the other one of a pair, None for a finding about one image.
        value: a correlation, a Dice, a share of pixels, or words that say which file is how.
    """

    kind: str
    a: Key
    b: Key | None = None
    value: float | str = ""

    @property
    def is_leak(self) -> bool:
        """Whether one radiograph stands in two splits."""
        return self.kind in COPIES and self.b is not None and self.a[0] != self.b[0]


def cached(cache_dir: str | Path, fingerprint: str) -> Path:
    """Where what was found of a dataset is kept, whether it is there or not."""
    return Path(cache_dir).expanduser().resolve() / f"findings{_VERSION}-{fingerprint[:16]}.csv"


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write ``findings.csv``, sorted by kind and image.

    Raises:
        RunError: it cannot be written.
    """
    table = io.StringIO(newline="")
    lines = csv.writer(table)
    lines.writerow(COLUMNS)
    for found in sorted(findings, key=lambda f: (KINDS.index(f.kind), f.a, f.b or ())):
        value = f"{found.value:.6g}" if isinstance(found.value, float) else found.value
        lines.writerow([found.kind, *found.a, *(found.b or ("", "", "")), value])
    write_whole(path, table.getvalue())


def read(path: Path) -> list[Finding]:
    """What ``write`` has written; lines may have been taken out since.

    Raises:
        DataError: no such file, or one that is something else.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet adds a mark
            head, *lines = [*csv.reader(file)] or [[]]
            if tuple(head) != COLUMNS:
                raise DataError(
                    path, f"has other columns than {','.join(COLUMNS)}", "name a findings.csv"
                )
            numbered = ((number, line) for number, line in enumerate(lines, 2) if any(line))
            return [_finding(path, number, line) for number, line in numbered]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            path, f"cannot be read ({reason})", "name the findings.csv of covseg.explore"
        ) from error


def _finding(path: Path, number: int, line: Sequence[str]) -> Finding:
    if len(line) != len(COLUMNS) or line[0] not in KINDS:
        raise _broken(path, number, "is no finding")
    kind, *keys, value = line
    a, b = _key(path, number, keys[:3]), None
    if any(keys[3:]) or kind in COPIES:
        b = _key(path, number, keys[3:])
    try:
        return Finding(kind, a, b, float(value))
    except ValueError:
        return Finding(kind, a, b, value)


def _key(path: Path, number: int, words: Sequence[str]) -> Key:
    split, patient_class, name = words
    if split not in get_args(Split) or patient_class not in PATIENT_CLASSES or not name:
        raise _broken(path, number, f"names no image ({split}/{patient_class}/{name})")
    return split, patient_class, name


def _broken(path: Path, number: int, what: str) -> DataError:
    return DataError(f"{path}, line {number},", what, "write the findings again")
