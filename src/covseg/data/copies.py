"""Which images belong together: copies of one radiograph, and images of one patient."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from covseg.config.data import Data
from covseg.data import findings
from covseg.data.explore_command import explore_command
from covseg.data.findings import COPIES, Finding
from covseg.data.index import Index, Key, paired_by_patient
from covseg.data.layouts.covid_qu_ex.names import TREES
from covseg.data.store import Store
from covseg.errors import CovsegError, DataError, setting


@dataclass(frozen=True)
class Copies:
    """The pairs of copies in an index, and its patients."""

    index: Index
    findings: tuple[Finding, ...]  # one per pair
    searched: bool = True  # False if only the patients are known

    @classmethod
    def read(cls, path: Path, index: Index) -> "Copies":
        """The copies in a ``findings.csv``.

        Raises:
            RunError: the file is missing or damaged.
            DataError: a row is not a finding, or is of other images.
        """
        known = index.numbers()
        pairs = tuple(finding for finding in findings.read(path) if finding.kind in COPIES)
        for key in (key for pair in pairs for key in (pair.a, pair.b)):
            if key not in known:
                raise DataError(
                    path,
                    f"names {'/'.join(key or ())}, which is not in the data",
                    "use the findings.csv that covseg.explore made of this data",
                )
        return cls(index, pairs)

    @cached_property
    def families(self) -> list[list[int]]:
        """Numbers of the rows that are connected by pairs or patients, each family sorted."""
        numbered = ((row.patient, number) for number, row in enumerate(self.index.rows))
        return families([*self.pairs(), *paired_by_patient(numbered)])

    @cached_property
    def labels(self) -> list[int]:
        """For every row the number of the first row of its family, or its own without a family."""
        label = list(range(len(self.index.rows)))
        for family in self.families:
            for row in family:
                label[row] = family[0]
        return label

    def n_between(self, some: Collection[int], others: Collection[int]) -> int:
        """The number of pairs with one image in each of two groups of rows."""
        one, other = set(some), set(others)
        return sum((a in one and b in other) or (b in one and a in other) for a, b in self.pairs())

    def related(self, rows: Collection[int], others: Collection[int]) -> set[Key]:
        """The images of these rows that are, or have a copy or a copy's copy, among the others."""
        families_of_others = {self.labels[other] for other in others}
        return {self.index.rows[row].key for row in rows if self.labels[row] in families_of_others}

    def of_patients(self, rows: Collection[int], others: Collection[int]) -> set[Key]:
        """The images of these rows whose patient has an image among the others."""
        patients = {self.index.rows[other].patient for other in others} - {None}
        return {
            self.index.rows[row].key for row in rows if self.index.rows[row].patient in patients
        }

    def pairs(self) -> Iterator[tuple[int, int]]:
        """The numbers of the rows of each pair of copies."""
        number = self.index.numbers()
        for finding in self.findings:
            assert finding.b is not None
            yield number[finding.a], number[finding.b]


def families(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Rows that are connected by pairs, each family sorted."""
    family: dict[int, list[int]] = {}
    for pair in pairs:
        one, other = (family.setdefault(row, [row]) for row in pair)
        if one is not other:
            one += other
            family |= dict.fromkeys(other, one)
    return sorted({id(rows): sorted(rows) for rows in family.values()}.values())


def known_copies(data: Data, store: Store, of_run: Path | None) -> Copies | None:
    """Read the copies in a dataset from the first of three files that there is.

    The file of the run comes first, so that a run keeps its division; then ``data.exclude``; then
    the findings that ``covseg.explore`` keeps in ``data.cache_dir``. If none exists, the patients
    are known at most; None if they are not either.

    Raises:
        RunError: findings that cannot be read.
        DataError: findings of other data, or a division that needs findings that do not exist.
    """
    if store.index.tree == "lung" and (data.fold is not None or data.exclude is not None):
        key = "data.exclude" if data.fold is None else "data.fold"
        raise DataError(
            setting(key, data.exclude or data.fold),
            f"needs to know which images are copies, and covseg.explore compares only those of "
            f"'{TREES['infection']}'",
            "leave it out, or set data.root= to that folder",
        )
    if of_run is not None and of_run.exists():
        return Copies.read(of_run, store.index)
    if data.exclude is not None:
        return Copies.read(Path(data.exclude), store.index)
    if data.fold is not None and not are_known(data, store.fingerprint, None):
        raise unknown_copies(data, "fold")
    return explored_copies(data, store)


def explored_copies(data: Data, store: Store) -> Copies | None:
    """The copies that ``covseg.explore`` has found; without it, the patients at most.

    Raises:
        CovsegError: the findings cannot be read.
    """
    cached = findings.cached(data.cache_dir, store.fingerprint)
    if cached.exists():
        return _cached_copies(cached, data, store.index)
    has_patients = any(row.patient is not None for row in store.index.rows)
    return Copies(store.index, (), searched=False) if has_patients else None


def are_known(data: Data, fingerprint: str, of_run: Path | None) -> bool:
    """Whether ``known_copies`` has a file to read."""
    of_run_exists = of_run is not None and of_run.exists()
    return of_run_exists or findings.cached(data.cache_dir, fingerprint).exists()


def unknown_copies(data: Data, key: Literal["fold", "split"]) -> DataError:
    """The refusal to divide images of which copies are not known."""
    return DataError(
        f"data.{key}={getattr(data, key)}",
        f"keeps copies in one {key}, and it is not known which images are copies",
        f"run {explore_command(data)} first",
    )


def _cached_copies(path: Path, data: Data, index: Index) -> Copies:
    try:
        return Copies.read(path, index)
    except CovsegError as error:
        where, cause, _ = error.args
        remedy = f"delete {path}, and run {explore_command(data)}"
        raise DataError(where, cause, remedy) from error
