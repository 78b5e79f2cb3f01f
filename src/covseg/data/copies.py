"""Which images show one radiograph: what the parts of a dataset must not share."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from covseg.data import findings
from covseg.data.findings import COPIES, Finding
from covseg.data.index import Index, Key
from covseg.errors import DataError


@dataclass(frozen=True)
class Copies:
    """The pairs of copies in an index.

    Attributes:
        index: the images.
        found: a finding a pair.
    """

    index: Index
    found: tuple[Finding, ...]

    @classmethod
    def read(cls, path: Path, index: Index) -> "Copies":
        """Those of a ``findings.csv``.

        Raises:
            DataError: it cannot be read, or is of other images.
        """
        known = index.numbers()
        found = tuple(f for f in findings.read(path) if f.kind in COPIES)
        for key in (key for one in found for key in (one.a, one.b)):
            if key not in known:
                raise DataError(
                    path,
                    f"names {'/'.join(key or ())}, which the data does not have",
                    "name the findings.csv that covseg.explore made of this data",
                )
        return cls(index, found)

    def families(self) -> list[list[int]]:
        """Numbers of the rows that hang together through pairs, each family sorted."""
        return families(self._pairs())

    def labels(self) -> list[int]:
        """For every row the number of the first row of its family, its own where it has none."""
        label = list(range(len(self.index.rows)))
        for family in self.families():
            for row in family:
                label[row] = family[0]
        return label

    def n_between(self, some: Collection[int], others: Collection[int]) -> int:
        """How many pairs have an image among each of two groups of rows."""
        one, other = set(some), set(others)
        return sum((a in one and b in other) or (b in one and a in other) for a, b in self._pairs())

    def akin(self, rows: Collection[int], others: Collection[int]) -> set[Key]:
        """What is known by one of these rows and has a copy, or a copy's copy, among the others."""
        label = self.labels()
        families_of_others = {label[other] for other in others}
        return {self.index.rows[row].key for row in rows if label[row] in families_of_others}

    def _pairs(self) -> Iterator[tuple[int, int]]:
        number = self.index.numbers()
        for one in self.found:
            assert one.b is not None
            yield number[one.a], number[one.b]


def families(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Rows that hang together through pairs of copies, each family sorted."""
    family: dict[int, list[int]] = {}
    for pair in pairs:
        one, other = (family.setdefault(row, [row]) for row in pair)
        if one is not other:
            one += other
            family |= dict.fromkeys(other, one)
    return sorted({id(rows): sorted(rows) for rows in family.values()}.values())
