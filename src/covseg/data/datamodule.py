"""The splits as loaders, for any number of processes."""

import logging
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, SequentialSampler

from covseg.config.data import Data
from covseg.data.augment import Augment
from covseg.data.copies import Copies
from covseg.data.dataset import Sample, XrayDataset
from covseg.data.division import Division
from covseg.data.index import Index, read_index
from covseg.data.sampler import FitSampler, ScoreSampler
from covseg.data.source.locate import source_of
from covseg.data.store import Store, open_store
from covseg.errors import ConfigError, DataError, setting

Loader = DataLoader[Sample]
log = logging.getLogger(__name__)


class XrayDataModule(L.LightningDataModule):
    """COVID-QU-Ex, or a phantom of it, as loaders.

    Args:
        data: where the files are and how they reach the network.
        fit: parts that are fitted on.
        select: the part that ``val_dataloader`` gives, None for no validation.
        report: the part that ``test_dataloader`` gives.
        seed: of the order of the images.
        augment: random transforms while fitting.

    Attributes:
        division: the part of every row; after ``setup``.
        copies: what is known of copies among the rows, None where nothing is.
        fitted: the rows that the weights were ever fitted on, by this run or before it.
        n_train_batches: of an epoch and process; after ``check``.
    """

    division: Division
    n_train_batches: int

    def __init__(
        self,
        data: Data,
        *,
        fit: Sequence[str],
        select: str | None,
        report: str,
        seed: int,
        augment: Augment | None = None,
    ) -> None:
        super().__init__()
        self.data, self.fit, self.select, self.report = data, list(fit), select, report
        self._seed, self._augment = seed, augment
        self._store: Store | None = None
        self.copies: Copies | None = None
        self.fitted: set[int] = set()
        self.resume_at = (0, 0)  # epoch, and batches of it that are done

    def prepare_data(self) -> None:
        """Download or make the data and build the decoded store: once on a machine."""
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Map the store: in every process.

        Args:
            stage: ``fit`` where every split of the protocol has to be there, not only the reported.

        Raises:
            DataError: the data is not there, is not whole, or breaks a rule.
        """
        if self._store is None:
            source = source_of(self.data)
            index = read_index(source.names(), self.data.targets, str(source.path))
            self.division = Division.official(index)
            if self.data.fold is None:  # before anything is decoded
                for split in self._parts if stage == "fit" else [self.report]:
                    self.rows(split)
            self._store = open_store(source, index, self.data.cache_dir)

    def divide(self, copies: Copies | None) -> None:
        """Say what is known of copies, and form the parts by it; after ``setup``."""
        self.copies = copies
        if copies is not None and self.data.fold is not None:
            self.division = Division.folded(copies, self.data.fold)
        if copies is not None and self.data.exclude is not None:
            self.division = Division.without_copies(copies, self.fit, self.select)

    @property
    def store(self) -> Store:
        """The decoded data; after ``setup``."""
        assert self._store is not None, "setup() comes first"
        return self._store

    @property
    def index(self) -> Index:
        """The rows; after ``setup``."""
        return self.store.index

    def facts(self) -> dict[str, Any]:
        """What a run notes of its data: where it was, and what."""
        return {"root": str(self.data.root), **self.store.facts()}

    def rows(self, *parts: str) -> list[int]:
        """The numbers of the rows of these parts.

        Raises:
            DataError: a part has no image.
        """
        for part in parts:
            if not self.division.rows(part):
                raise self._empty(part)
        return self.division.rows(*parts)

    def check(self) -> None:
        """Refuse before any training what a loader would refuse after it, and say what is odd.

        Raises:
            DataError: a part is empty, or too small for the batches or the processes.
            ConfigError: a limit leaves less than one batch of it.
        """
        assert self.trainer is not None
        for part in self._parts[:-1] if self.trainer.is_global_zero else ():  # a score says it
            if absent := self.division.absent_classes(part):
                log.warning("%s has no image of the class %s", part, " and ".join(absent))
        fitted = " and ".join(self.fit)
        self.n_train_batches = self._used(self.train_dataloader(), "limit_train_batches", fitted)
        self._used(self.test_dataloader(), "limit_test_batches", self.report)
        if self.select:
            self._used(self.score_loader(self.select), "limit_val_batches", self.select)

    def _used(self, loader: Loader, name: str, part: str) -> int:
        """How many batches of a loader Lightning will use.

        Raises:
            ConfigError: none, because a limit is a smaller share.
        """
        limit, n_batches = getattr(self.trainer, name), len(loader)
        if self.trainer.overfit_batches and name != "limit_test_batches":  # type: ignore[union-attr]
            name = "overfit_batches"  # which sets the others
        used = min(n_batches, limit) if isinstance(limit, int) else int(n_batches * limit)
        if not used and limit:
            raise ConfigError(
                setting(f"trainer.{name}", limit),
                f"is less than one of the {n_batches} batch(es) of {part}",
                f"set trainer.{name}=1 for one batch, or leave it out for all",
            )
        return used

    def on_before_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        """Hold every mask that a loss will see against what a mask is.

        Raises:
            DataError: a transform has made something else of it.
        """
        assert self.trainer is not None
        if self.trainer.training and batch.mask.max() > 1:
            names = ", ".join(self.index.rows[row].name for row in batch.row.tolist())
            raise DataError(
                f"a mask among those of {names}",
                f"has the value {int(batch.mask.max())} after augmentation, where a mask is 0 or 1",
                "take the transform that does so out of the group augment",
            )
        return batch

    def train_dataloader(self) -> Loader:
        """The fitting parts, shuffled anew in every epoch; samples at the network's size."""
        trainer, batch_size = self.trainer, self.data.batch_size
        assert trainer is not None
        rows = self.rows(*self.fit)
        if len(rows) < batch_size * trainer.world_size:
            fits = len(rows) // trainer.world_size
            raise DataError(
                f"data.batch_size={batch_size}",
                f"times {trainer.world_size} process(es) is more than the {len(rows)} images of "
                f"{' and '.join(self.fit)}",
                f"say data.batch_size={fits} or less"
                if fits
                else f"say trainer.devices={len(rows)} or less",
            )
        dataset = self._dataset(rows, fitting=True)
        if trainer.overfit_batches:  # type: ignore[attr-defined]  # the same few batches in every epoch
            if trainer.world_size > 1:
                raise ConfigError(
                    setting("trainer.overfit_batches", trainer.overfit_batches),  # type: ignore[attr-defined]
                    f"would give each of {trainer.world_size} processes the same images",
                    "set trainer.devices=1",
                )
            return self._loader(dataset, SequentialSampler(dataset))
        epoch, done = self.resume_at
        sampler = FitSampler(
            dataset,
            batch_size,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            seed=self._seed,
            epoch=epoch,
            done=done if trainer.current_epoch == epoch else 0,
        )
        return self._loader(dataset, sampler)

    def val_dataloader(self) -> Loader | list[Loader]:
        """The part that a checkpoint is chosen on; masks at their size on disk."""
        return self.score_loader(self.select) if self.select else []

    def test_dataloader(self) -> Loader:
        """The reported part; masks at their size on disk."""
        return self.score_loader(self.report)

    def score_loader(self, part: str) -> Loader:
        """Every image of a part exactly once over all processes; masks at their size on disk."""
        assert self.trainer is not None
        dataset = self._dataset(self.rows(part), fitting=False)
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        if len(dataset) < world_size:
            raise DataError(
                f"trainer.devices={world_size}",
                f"is more than the {len(dataset)} images of {part}",
                f"say trainer.devices={len(dataset)} or less",
            )
        return self._loader(dataset, ScoreSampler(dataset, rank=rank, world_size=world_size))

    def fixed_samples(self, rows: Sequence[int]) -> list[Sample]:
        """Samples of these rows as a score sees them, for pictures."""
        dataset = self._dataset(rows, fitting=False)
        return [dataset[place] for place in range(len(dataset))]

    @property
    def _parts(self) -> list[str]:
        """Every part of the protocol, the reported one last."""
        return [*self.fit, *([self.select] if self.select else []), self.report]

    def _empty(self, part: str) -> DataError:
        if self.data.exclude is not None and self.copies is not None:
            return DataError(
                f"data.exclude={self.data.exclude}", f"leaves no image of {part}", "leave it out"
            )
        if self.data.fold is not None:
            return DataError(
                f"data.fold={self.data.fold}",
                f"has no image, for there are only {len(self.index.rows)}",
                "say protocol=holdout",
            )
        return DataError(
            f"data.root={self.data.root}",
            f"has no image in the split {part}",
            f"restore the folder {part} from the original download",
        )

    def _dataset(self, rows: Sequence[int], *, fitting: bool) -> XrayDataset:
        augment = self._augment if fitting else None
        return XrayDataset(
            self.store,
            rows,
            self.data.targets,
            self.data.image_size,
            fitting=fitting,
            augment=augment,
        )

    def _loader(
        self, dataset: XrayDataset, sampler: FitSampler | ScoreSampler | SequentialSampler
    ) -> Loader:
        assert self.trainer is not None
        return DataLoader(
            dataset,
            batch_size=self.data.batch_size,
            sampler=sampler,
            num_workers=self.data.num_workers,
            drop_last=dataset.fitting,  # a rest of one image would be too little for batch norm
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
            persistent_workers=self.data.num_workers > 0,
            generator=torch.Generator(),  # the workers' seeds are no draw of the run's own
        )
