"""What is wrong with a dataset: one finding per image or pair of images; ``findings.csv``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from covseg.config.data import SPLITS
from covseg.csv_files import read_csv, write_csv
from covseg.data.index import UNDIVIDED, Key
from covseg.errors import DataError

_VERSION = 1  # of the search: findings of another one are not used
COLUMNS = ("kind", "split_a", "class_a", "name_a", "split_b", "class_b", "name_b", "value")
# pairs of images that show one radiograph
COPIES = (
    *("exact_duplicate", "near_duplicate", "near_duplicate_mirrored"),
    *("aligned_duplicate", "aligned_duplicate_mirrored"),
)
KINDS = (
    *("missing", "unreadable", "wrong_mode", "wrong_size", "wrong_values", "odd_name"),
    *("empty_mask", "unexpected_infection", "infection_outside_lung", "infection_is_lung"),
    *("patient_in_splits", *COPIES, "masks_disagree"),
)


@dataclass(frozen=True)
class Finding:
    """One row of ``findings.csv``."""

    kind: str  # one of KINDS
    a: Key
    b: Key | None = None  # of a pair
    value: float | str = ""  # a correlation, a Dice, a share of pixels, or a text about a file

    @property
    def is_leak(self) -> bool:
        """Whether one radiograph, or one patient, is in two splits."""
        of_one = self.kind in (*COPIES, "patient_in_splits")
        return of_one and self.b is not None and self.a[0] != self.b[0]


def cached(cache_dir: str | Path, fingerprint: str) -> Path:
    """The file for the findings that ``covseg.explore`` makes of a dataset; it may not exist."""
    return Path(cache_dir).expanduser().resolve() / f"findings{_VERSION}-{fingerprint[:16]}.csv"


def write(findings: Iterable[Finding], path: Path) -> None:
    """Write ``findings.csv``, sorted by kind and image.

    Raises:
        RunError: it cannot be written.
    """
    ordered = sorted(findings, key=lambda f: (KINDS.index(f.kind), f.a, f.b or ()))
    write_csv(path, COLUMNS, map(_row, ordered))


def _row(finding: Finding) -> Sequence[str]:
    value = f"{finding.value:.6g}" if isinstance(finding.value, float) else finding.value
    return [finding.kind, *finding.a, *(finding.b or ("", "", "")), value]


def read(path: Path) -> list[Finding]:
    """Read a file of ``write``; the user may have removed rows.

    Raises:
        RunError: the file is missing or damaged.
        DataError: a row is not a finding.
    """
    rows = read_csv(path, COLUMNS, "use the findings.csv of covseg.explore")
    return [_finding(path, row) for row in rows if any(row)]


def _finding(path: Path, row: Sequence[str]) -> Finding:
    kind, *names, value = row
    a, b = _key(names[:3]), _key(names[3:])
    is_pair = kind in COPIES or any(names[3:])
    if kind not in KINDS or a is None or (is_pair and b is None):
        cause = f"has a row that is not a finding ({','.join(row)})"
        raise DataError(path, cause, "make the file again with covseg.explore")
    try:
        return Finding(kind, a, b, float(value))
    except ValueError:
        return Finding(kind, a, b, value)


def _key(names: Sequence[str]) -> Key | None:
    split, patient_class, name = names
    known = split in (*SPLITS, UNDIVIDED) and patient_class != "" and name != ""
    return (split, patient_class, name) if known else None
