"""Which of the ways to divide a dataset a run takes, and what each of them needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from covseg.config.data import Data
from covseg.data.copies import (
    Copies,
    are_known,
    explored_copies,
    known_copies,
    unknown_copies,
)
from covseg.data.division import Division
from covseg.data.drawn_split import check_lacking, draw_splits, read_split, strata
from covseg.data.listing import Listing
from covseg.data.store import Store
from covseg.errors import DataError


@dataclass(frozen=True)
class Divider:
    """The division of a listing: folds, a ``split.csv``, drawn splits, or the splits on disk.

    Attributes:
        data: says how to divide.
        listing: of the images.
        fit: the parts to fit on.
        select: the part of validation, None without one.
        findings: the ``findings.csv`` of a run, which may not exist; see ``known_copies``.
        split: the ``split.csv`` of a run, which may not exist; a run keeps its splits.
        own: whether ``data``, ``findings`` and ``split`` are about this listing; the splits on disk
            are taken if not.
    """

    data: Data
    listing: Listing
    fit: Sequence[str]
    select: str | None
    findings: Path | None
    split: Path | None
    own: bool

    def check(self, parts: Sequence[str]) -> None:
        """Refuse, before anything is decoded, a division that cannot be used.

        Args:
            parts: which the division must have.

        Raises:
            ConfigError: there is nothing to draw.
            DataError: a part has no image, or the division needs findings that are missing.
        """
        if self._draws:
            check_lacking(self._on_disk.parts)
            if not are_known(self.data, self.listing.fingerprint, self.findings):
                raise unknown_copies(self.data, "split")
        elif self.data.fold is None:
            division = self._of_file or self._on_disk
            for part in parts:
                if not self.own and part not in division.parts:
                    raise DataError(
                        f"data.root={self.data.root}",
                        f"has no image in the split {part}",
                        f"set split={division.parts[0]}",
                    )
                division.check(part, self.data)
        if self.own and self.data.fit_classes is not None:
            self._on_disk.check_classes(self.data.fit_classes)

    def copies(self, store: Store) -> Copies | None:
        """The copies in the data, None if nothing is known of them."""
        if self.own:
            return known_copies(self.data, store, self.findings)
        return explored_copies(self.data, store)

    def divide(self, store: Store, copies: Copies | None) -> Division:
        """The part of every row, before ``data.fit_classes`` leaves some out."""
        if not self.own:
            return self._on_disk
        if copies is not None and self.data.fold is not None:
            of_rows = strata(store) if self.data.split == "auto" else None
            return Division.folded(copies, self.data.fold, of_rows)
        if self._of_file is not None:
            return self._of_file
        if self._draws:
            assert copies is not None  # see ``check``
            drawn = draw_splits(copies, strata(store), self.data.split_seed)
            return Division(store.index, tuple(drawn))
        if copies is not None and self.data.exclude is not None:
            return Division.without_copies(copies, self.fit, self.select)
        return self._on_disk

    @property
    def changes_splits(self) -> bool:
        """Whether the splits are others than those on disk, so that a run has to keep them."""
        return self._draws or self._of_file is not None

    @cached_property
    def _on_disk(self) -> Division:
        return Division.official(self.listing.index)

    @cached_property
    def _of_file(self) -> Division | None:
        """The splits of the run or, without them, of the file in the configuration."""
        if not self.own or self.data.fold is not None:
            return None
        file = None if self.data.split in {None, "auto"} else Path(str(self.data.split))
        if self.split is not None and self.split.exists():
            file = self.split
        if file is None:
            return None
        return Division(self.listing.index, tuple(read_split(file, self.listing.index)))

    @property
    def _draws(self) -> bool:
        draws = self.own and self.data.split == "auto" and self.data.fold is None
        return draws and self._of_file is None
