"""Loaders over a dataset: in each process its share of the images."""

import sys
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.seed import pl_worker_init_function
from torch.utils.data import DataLoader, SequentialSampler

from covseg.config.data import Data
from covseg.data.dataset import Sample, XrayDataset
from covseg.data.sampler import FitSampler, ScoreBatches
from covseg.errors import ConfigError, DataError, setting

Loader = DataLoader[Sample]


def fit_loader(
    dataset: XrayDataset,
    part: str,
    data: Data,
    trainer: L.Trainer | None,
    seed: int,
    start: tuple[int, int],
) -> Loader:
    """Shuffled batches of one size.

    Args:
        dataset: the images to fit on.
        part: their name, for error messages.
        data: the configuration.
        trainer: None for one process.
        seed: of the order of the images.
        start: the epoch to begin with, and how many batches of it to skip.

    Raises:
        DataError: the images are too few for a batch in every process.
        ConfigError: several processes with ``trainer.overfit_batches``.
    """
    rank, world_size = _share(trainer)
    # a batch of one image would be too small for batch norm
    batches: dict[str, Any] = {"batch_size": data.batch_size, "drop_last": True}
    _check_batches(len(dataset), part, data, world_size)
    if n_overfit := getattr(trainer, "overfit_batches", 0):  # the same few in every epoch
        if world_size > 1:
            raise ConfigError(
                setting("trainer.overfit_batches", n_overfit),
                f"would give each of {world_size} processes the same images",
                "set trainer.devices=1",
            )
        return _loader(dataset, data, trainer, **batches, sampler=SequentialSampler(dataset))
    epoch, done = start
    if trainer is not None and trainer.current_epoch != epoch:
        done = 0
    shares = {"rank": rank, "world_size": world_size}
    sampler = FitSampler(dataset, data.batch_size, **shares, seed=seed, epoch=epoch, done=done)
    return _loader(dataset, data, trainer, **batches, sampler=sampler)


def _check_batches(n_images: int, part: str, data: Data, world_size: int) -> None:
    if n_images < data.batch_size * world_size:
        fits = n_images // world_size
        remedy = f"data.batch_size={fits}" if fits else f"trainer.devices={n_images}"
        raise DataError(
            f"data.batch_size={data.batch_size}",
            f"times {world_size} process(es) is more than the {n_images} images of {part}",
            f"set {remedy} or less",
        )


def score_loader(dataset: XrayDataset, part: str, data: Data, trainer: L.Trainer | None) -> Loader:
    """Every image exactly once over all processes; the arguments are those of ``fit_loader``.

    Raises:
        DataError: a process would get no image.
    """
    rank, world_size = _share(trainer)
    if len(dataset) < world_size:
        raise DataError(
            f"trainer.devices={world_size}",
            f"is more than the {len(dataset)} images of {part}",
            f"set trainer.devices={len(dataset)} or less",
        )
    sizes = [dataset.store.truth_size(row) for row in dataset.rows]
    batches = ScoreBatches(sizes, data.batch_size, rank=rank, world_size=world_size)
    return _loader(dataset, data, trainer, batch_sampler=batches)


def n_batches_used(n_batches: int, name: str, part: str, trainer: L.Trainer | None) -> int:
    """The number of batches that Lightning uses of a loader, up to a limit of the Trainer.

    Raises:
        ConfigError: none, because the limit is a smaller share than one batch.
    """
    limit = getattr(trainer, name, 1.0)
    if getattr(trainer, "overfit_batches", 0) and name != "limit_test_batches":
        name = "overfit_batches"  # which sets the others
    used = min(n_batches, limit) if isinstance(limit, int) else int(n_batches * limit)
    if not used and limit:
        raise ConfigError(
            setting(f"trainer.{name}", limit),
            f"is less than one of the {n_batches} batch(es) of {part}",
            f"set trainer.{name}=1 for one batch, or leave it out for all",
        )
    return used


def _share(trainer: L.Trainer | None) -> tuple[int, int]:
    """The rank of this process and the number of processes."""
    return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)


def _loader(dataset: XrayDataset, data: Data, trainer: L.Trainer | None, **batches: Any) -> Loader:
    return DataLoader(
        dataset,
        **batches,
        num_workers=data.num_workers,
        pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
        persistent_workers=data.num_workers > 0,
        generator=torch.Generator(),  # the workers' seeds leave the global random state as it is
        worker_init_fn=_init_worker if data.num_workers else None,
    )


def _init_worker(worker: int) -> None:
    """Seed a loader process as Lightning does.

    Its errors reach the run without this hook, which would print a traceback where the run has
    ended while a batch is on its way.
    """
    pl_worker_init_function(worker)
    sys.excepthook = lambda *_: None
