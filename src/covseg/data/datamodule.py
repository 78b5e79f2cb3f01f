"""The splits as loaders, for any number of processes."""

import logging
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from torch.utils.data import DataLoader, SequentialSampler

from covseg.config import Data
from covseg.data.augment import Augment
from covseg.data.dataset import Sample, XrayDataset
from covseg.data.index import Index, read_index
from covseg.data.sampler import FitSampler, ScoreSampler
from covseg.data.source import source_of
from covseg.data.store import Store, open_store
from covseg.errors import DataError

Loader = DataLoader[Sample]
log = logging.getLogger(__name__)


class XrayDataModule(L.LightningDataModule):
    """COVID-QU-Ex, or a phantom of it, as loaders.

    Args:
        data: where the files are and how they reach the network.
        fit: splits that are fitted on.
        select: the split that ``val_dataloader`` gives, None for no validation.
        report: the split that ``test_dataloader`` gives.
        seed: of the order of the images.
        augment: random transforms while fitting.
    """

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
            # before anything is decoded
            for split in self._splits if stage == "fit" else [self.report]:
                self._check_split(index, split)
            self._store = open_store(source, index, self.data.cache_dir)

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

    def rows(self, *splits: str) -> list[int]:
        """The numbers of the rows of these splits.

        Raises:
            DataError: a split has no image.
        """
        for split in splits:
            self._check_split(self.index, split)
        return self.index.of_split(*splits)

    def check(self) -> None:
        """Refuse before any training what a loader would refuse after it, and say what is odd.

        Raises:
            DataError: a split is empty, or too small for the batches or the processes.
        """
        assert self.trainer is not None
        for split in self._splits[:-1] if self.trainer.is_global_zero else ():  # a score says it
            counts = self.index.counts()[split]
            if missing := [name for name, n in counts.items() if not n]:
                log.warning("%s has no image of the class %s", split, " and ".join(missing))
        self.train_dataloader()
        self.val_dataloader()
        self.test_dataloader()

    def train_dataloader(self) -> Loader:
        """The fitting splits, shuffled anew in every epoch; samples at the network's size."""
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
        """The split that a checkpoint is chosen on; masks at their size on disk."""
        return self.score_loader(self.select) if self.select else []

    def test_dataloader(self) -> Loader:
        """The reported split; masks at their size on disk."""
        return self.score_loader(self.report)

    def score_loader(self, split: str) -> Loader:
        """Every image of a split exactly once over all processes; masks at their size on disk."""
        assert self.trainer is not None
        dataset = self._dataset(self.rows(split), fitting=False)
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        if len(dataset) < world_size:
            raise DataError(
                f"trainer.devices={world_size}",
                f"is more than the {len(dataset)} images of {split}",
                f"say trainer.devices={len(dataset)} or less",
            )
        return self._loader(dataset, ScoreSampler(dataset, rank=rank, world_size=world_size))

    def fixed_samples(self, rows: Sequence[int]) -> list[Sample]:
        """Samples of these rows as a score sees them, for pictures."""
        dataset = self._dataset(rows, fitting=False)
        return [dataset[place] for place in range(len(dataset))]

    @property
    def _splits(self) -> list[str]:
        """Every split of the protocol, the reported one last."""
        return [*self.fit, *([self.select] if self.select else []), self.report]

    def _check_split(self, index: Index, split: str) -> None:
        if not index.of_split(split):
            raise DataError(
                f"data.root={self.data.root}",
                f"has no image in the split {split}",
                f"restore the folder {split} from the original download",
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
            pin_memory=self.trainer.strategy.root_device.type == "cuda",
            persistent_workers=self.data.num_workers > 0,
            generator=torch.Generator(),  # the workers' seeds are no draw of the run's own
        )
