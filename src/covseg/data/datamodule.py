"""The splits as loaders, for any number of processes."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L

from covseg.config.data import Data
from covseg.data.augment import Augment
from covseg.data.copies import Copies
from covseg.data.dataset import Sample, XrayDataset
from covseg.data.divider import Divider
from covseg.data.division import Division
from covseg.data.fitted import Fitted
from covseg.data.index import UNDIVIDED, Index
from covseg.data.listing import Listing
from covseg.data.loaders import Loader, fit_loader, n_batches_used, score_loader
from covseg.data.opening import list_data
from covseg.data.store import Store, open_store
from covseg.errors import ConfigError, DataError, setting

log = logging.getLogger(__name__)


class XrayDataModule(L.LightningDataModule):
    """A dataset as loaders; without a Trainer, for one process.

    Args:
        data: where the files are and how they reach the network.
        fit: the parts to fit on.
        select: the part of ``val_dataloader``, None for no validation.
        report: the part of ``test_dataloader``.
        seed: of the order of the images.
        augment: random transforms while fitting.
        findings: the ``findings.csv`` of a run folder, which may not exist; see ``known_copies``.
        split: the ``split.csv`` of a run folder, which may not exist.
        fitted_before: the images that the weights were fitted on before.
        fingerprint: of the data that ``fit``, ``findings`` and ``split`` are about, None for any.
            Other data has none of the fitted parts, no known copies, and the splits on disk.
        start: the epoch to begin with, and how many batches of it to skip.

    Raises:
        ConfigError: ``data.fold`` without ``report="fold"``, or the other way round.
    """

    # set by setup()
    division: Division
    listing: Listing
    copies: Copies | None  # None if nothing is known of them
    new_splits: tuple[str, ...] | None  # of the rows, where they are not those on disk
    copies_of_fitted: set[int] | None = None  # rows of other data; None if nothing is known
    fitted: set[int]  # rows that the weights were ever fitted on
    same_data: bool  # whether the data has the fingerprint

    def __init__(
        self,
        data: Data,
        *,
        fit: Sequence[str] = ("Train",),
        select: str | None = "Val",
        report: str = "Test",
        seed: int = 0,
        augment: Augment | None = None,
        findings: Path | None = None,
        split: Path | None = None,
        fitted_before: Fitted | None = None,
        fingerprint: str | None = None,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        if (data.fold is None) == (report == "fold"):
            raise ConfigError(
                setting("data.fold", data.fold),
                f"does not go together with report={report}",
                "a fold needs fit=[others], select=null and report=fold",
            )
        self.data, self.fit, self.select, self.report = data, list(fit), select, report
        self.fitted_before = fitted_before or Fitted()
        self._seed, self._augment, self._start = seed, augment, start
        self._findings, self._split, self._fingerprint = findings, split, fingerprint
        self._store: Store | None = None

    def prepare_data(self) -> None:
        """Download or draw the data and build the decoded store: once per machine."""
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Map the store and divide its rows: in every process.

        Args:
            stage: ``fit`` if every split of the protocol is needed, not only the reported one.

        Raises:
            DataError: the data is missing, incomplete or breaks a rule, or its division needs
                findings that are missing or of other data.
        """
        if self._store is not None:
            return
        self.listing = listing = list_data(self.data, self.data.targets)
        listing.check(self.data.targets)
        self.same_data = self._fingerprint in {None, listing.fingerprint}
        if not self.same_data and any(row.split == UNDIVIDED for row in listing.index.rows):
            self.report = UNDIVIDED
        files = (self._findings, self._split)
        divider = Divider(self.data, listing, self.fit, self.select, *files, self.same_data)
        divider.check(self._parts if stage == "fit" else [self.report])
        store = open_store(listing, self.data.cache_dir)
        self.copies = divider.copies(store)
        division = divider.divide(store, self.copies)
        self.new_splits = division.parts if divider.changes_splits else None
        if self.same_data and self.data.fit_classes is not None:
            division = division.fitting_only(self.data.fit_classes, self.fit)
        self.division = division
        self.fitted = self.fitted_before.rows(store)
        if self.same_data:
            self.fitted |= set(division.rows(*self.fit))
        self._store = store

    @property
    def store(self) -> Store:
        """The decoded data; after ``setup``."""
        assert self._store is not None, "call setup() first"
        return self._store

    @property
    def index(self) -> Index:
        """The rows; after ``setup``."""
        return self.store.index

    def facts(self) -> dict[str, Any]:
        """Root and content of the data, for ``provenance.json``."""
        return {"root": str(self.data.root), **self.store.facts()}

    def fits(self, part: str) -> bool:
        """Whether a part of this data is fitted on."""
        return self.same_data and part in self.fit

    def rows(self, *parts: str) -> list[int]:
        """The numbers of the rows of these parts.

        Raises:
            DataError: a part has no image.
        """
        for part in parts:
            self.division.check(part, self.data)
        return self.division.rows(*parts)

    @property
    def n_train_batches(self) -> int:
        """Batches of an epoch in each process, up to the Trainer's limit.

        Raises:
            ConfigError: the limit is less than one batch.
        """
        world_size = self.trainer.world_size if self.trainer else 1
        n_batches = len(self.rows(*self.fit)) // (self.data.batch_size * world_size)
        return n_batches_used(
            n_batches, "limit_train_batches", " and ".join(self.fit), self.trainer
        )

    def check(self) -> None:
        """Refuse before training what a loader would refuse later, and warn of absent classes.

        Raises:
            DataError: a part is empty, or too small for the batches or the processes.
            ConfigError: a limit is less than one batch.
        """
        first = self.trainer is None or self.trainer.is_global_zero
        for part in self._parts[:-1] if first else ():  # the last is scored, with a warning
            if absent := self.division.absent_classes(part):
                log.warning("%s has no image of the class %s", part, " or ".join(absent))
        self.train_dataloader()
        _ = self.n_train_batches  # refuses a limit below one batch
        n_batches_used(len(self.test_dataloader()), "limit_test_batches", self.report, self.trainer)
        if self.select:
            n_batches = len(self.score_loader(self.select))
            n_batches_used(n_batches, "limit_val_batches", self.select, self.trainer)

    def on_before_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Check the values of every mask that a loss will see.

        Raises:
            DataError: a transform has made others than 0 and 1.
        """
        assert self.trainer is not None
        if self.trainer.training and batch.mask.max() > 1:
            names = ", ".join(self.index.rows[row].name for row in batch.row.tolist())
            raise DataError(
                f"a mask of {names}",
                f"has the value {int(batch.mask.max())} after augmentation, expected 0 or 1",
                "remove the transform that does this from the group augment",
            )
        return batch

    def train_dataloader(self) -> Loader:
        """The fitting parts, shuffled anew in every epoch; samples at the network's size.

        Without a Trainer, call ``loader.sampler.set_epoch(epoch)`` before each epoch.
        """
        dataset = self._dataset(self.rows(*self.fit), fitting=True)
        name, start = " and ".join(self.fit), self._start
        return fit_loader(dataset, name, self.data, self.trainer, self._seed, start)

    def val_dataloader(self) -> Loader | list[Loader]:
        """The part that a checkpoint is selected on; masks at their size on disk."""
        return self.score_loader(self.select) if self.select else []

    def test_dataloader(self) -> Loader:
        """The reported part; masks at their size on disk."""
        return self.score_loader(self.report)

    def score_loader(self, part: str) -> Loader:
        """Every image of a part exactly once over all processes; masks at their size on disk."""
        dataset = self._dataset(self.rows(part), fitting=False)
        return score_loader(dataset, part, self.data, self.trainer)

    def fixed_samples(self, rows: Sequence[int]) -> list[Sample]:
        """Samples of these rows as a score sees them, for pictures."""
        dataset = self._dataset(rows, fitting=False)
        return [dataset[place] for place in range(len(dataset))]

    @property
    def _parts(self) -> list[str]:
        """Every part of the protocol, the reported one last."""
        return [*self.fit, *([self.select] if self.select else []), self.report]

    def _dataset(self, rows: Sequence[int], *, fitting: bool) -> XrayDataset:
        return XrayDataset(
            *(self.store, rows, self.data.targets, self.data.image_size),
            pad=self.data.fit == "pad",
            fitting=fitting,
            augment=self._augment,
        )
