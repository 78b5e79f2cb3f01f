"""How images are divided among fitting, selection and reporting."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from covseg.config.data import Data
from covseg.data.copies import Copies
from covseg.data.index import UNCLASSED, UNDIVIDED, Index
from covseg.errors import DataError, nearest, setting

N_FOLDS = 5
_NOT_FITTED = ", not fitted"  # of a part that is fitted on, but for data.fit_classes


@dataclass(frozen=True)
class Division:
    """The part of every row."""

    index: Index
    parts: tuple[str, ...]  # a split as on disk, excluded, fold, others, or one that is not fitted

    @classmethod
    def official(cls, index: Index) -> "Division":
        """The splits as they are on disk."""
        return cls(index, tuple(row.split for row in index.rows))

    @classmethod
    def without_copies(cls, copies: Copies, fit: Sequence[str], select: str | None) -> "Division":
        """The splits, less every image that has a copy in a later one.

        Splits that are fitted on come before the one that selects, and it before all others; the
        images of a family that are in the latest of these stay.
        """
        parts = [row.split for row in copies.index.rows]
        stage: dict[str | None, int] = {select: 1, **dict.fromkeys(fit, 0)}
        for family in copies.families:
            stages = {row: stage.get(parts[row], 2) for row in family}
            for row, of_row in stages.items():
                if of_row < max(stages.values()):
                    parts[row] = "excluded"
        return cls(copies.index, tuple(parts))

    @classmethod
    def folded(
        cls, copies: Copies, fold: int, strata: Sequence[Hashable] | None = None
    ) -> "Division":
        """``fold`` for the images of a fold (0 to 4; see ``folds``), ``others`` for the rest."""
        parts = ("fold" if of_row == fold else "others" for of_row in folds(copies, strata))
        return cls(copies.index, tuple(parts))

    def fitting_only(self, classes: Sequence[str], fit: Sequence[str]) -> "Division":
        """This division, less the images of the parts ``fit`` that are of no such class."""
        parts = (
            part + _NOT_FITTED if part in fit and row.patient_class not in classes else part
            for row, part in zip(self.index.rows, self.parts, strict=True)
        )
        return Division(self.index, tuple(parts))

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse the name of a class in ``data.fit_classes`` that the data does not have.

        Raises:
            DataError: names it.
        """
        if unknown := [name for name in classes if name not in self.index.classes]:
            raise DataError(
                setting("data.fit_classes", list(classes)),
                f"names {unknown[0]}, which is no class of the data",
                nearest(unknown[0], self.index.classes),
            )

    def rows(self, *parts: str) -> list[int]:
        """The numbers of the rows of these parts, in the order of the index."""
        return [number for number, part in enumerate(self.parts) if part in parts]

    def check(self, part: str, data: Data) -> None:
        """Refuse a part without images.

        Raises:
            DataError: it has none; names what has divided the data.
        """
        if part in self.parts:
            return
        if part + _NOT_FITTED in self.parts:
            raise DataError(
                setting("data.fit_classes", data.fit_classes),
                f"leaves no image of {part}",
                "name a class that it has",
            )
        if data.fold is not None:
            raise DataError(
                f"data.fold={data.fold}",
                f"has no image of {part}, because there are only {len(self.parts)}",
                "set protocol=holdout",
            )
        if "excluded" in self.parts:
            raise DataError(
                f"data.exclude={data.exclude}", f"leaves no image of {part}", "leave it out"
            )
        where = f"data.root={data.root}"
        if UNDIVIDED in self.parts:
            cause = "does not say which images are Train, Val and Test"
            raise DataError(where, cause, "set data.split=auto to draw them")
        if data.split == "auto":
            cause = f"leaves no image for {part}: {len(self.parts)} are too few"
            raise DataError("data.split=auto", cause, "add images, or write a column split")
        raise DataError(
            where,
            f"has no image in the split {part}",
            f"restore the folder {part} from the original download"
            if self.index.tree
            else f"set data.split=auto to draw {part} from Train, or a protocol without it",
        )

    def absent_classes(self, part: str) -> list[str]:
        """The classes without an image in a part; one that is left out on purpose is not absent."""
        if self.index.classes == (UNCLASSED,):
            return []
        present = {
            row.patient_class
            for row, own in zip(self.index.rows, self.parts, strict=True)
            if own.removesuffix(_NOT_FITTED) == part
        }
        return [name for name in self.index.classes if name not in present]

    def excluded(self) -> dict[str, int]:
        """How many images of each split are left out."""
        return dict(Counter(self.index.rows[row].split for row in self.rows("excluded")))


def folds(copies: Copies, strata: Sequence[Hashable] | None = None) -> list[int]:
    """The fold of every row, 0 to 4: each has its share of every class, and families stay together.

    Families are assigned by size, the largest first, each to the fold with the fewest images of its
    class.

    Args:
        copies: with the index.
        strata: of which each fold gets its share, one per row; None for classes.
    """
    label, rows = copies.labels, copies.index.rows
    if strata is None:
        strata = [row.patient_class for row in rows]
    members: dict[int, list[int]] = {}
    for row, first in enumerate(label):
        members.setdefault(first, []).append(row)
    order = sorted(members, key=lambda first: (-len(members[first]), _hash(rows[first].key)))
    held = Counter[tuple[int, Hashable]]()
    fold_of = [0] * len(rows)
    for first in order:
        fold = min(range(N_FOLDS), key=lambda f: (held[f, strata[first]], held[f, None]))
        for row in members[first]:
            fold_of[row] = fold
            held[fold, strata[row]] += 1
            held[fold, None] += 1
    return fold_of


def _hash(key: tuple[str, ...]) -> bytes:
    """A pseudo-random order that is the same on every machine and in every version."""
    return blake2b("/".join(key).encode()).digest()
