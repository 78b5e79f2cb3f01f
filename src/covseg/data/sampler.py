"""Which process gets which image: exact shares for any number of processes."""

from collections.abc import Iterator, Sized

import numpy as np
from torch.utils.data import Sampler

from covseg.data.dataset import Draw


class FitSampler(Sampler[Draw]):
    """One permutation per epoch for all processes; each takes its slice of every global batch.

    N processes with batches of B therefore take the same steps as one with batches of N*B. The last
    incomplete global batch is dropped: other images in every epoch.

    Args:
        data: what is sampled.
        batch_size: of one process.
        rank: of this process.
        world_size: number of processes.
        seed: of the run; the permutation follows from it and the epoch alone.
        epoch: the first one.
        done: batches of it to skip, for a run that resumes in the middle.
    """

    def __init__(
        self,
        data: Sized,
        batch_size: int,
        *,
        rank: int,
        world_size: int,
        seed: int,
        epoch: int = 0,
        done: int = 0,
    ) -> None:
        self._n_images = len(data)
        self._shape = (-1, world_size, batch_size)
        self._n_batches = self._n_images // (world_size * batch_size)
        self._n_drawn = self._n_batches * world_size * batch_size
        self._rank, self._batch_size, self._seed = rank, batch_size, seed
        self._epoch, self._done = epoch, done

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of every epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return (self._n_batches - self._done) * self._batch_size

    def __iter__(self) -> Iterator[Draw]:
        order = np.random.default_rng((self._seed, self._epoch)).permutation(self._n_images)
        mine = order[: self._n_drawn].reshape(self._shape)[self._done :, self._rank].ravel()
        return iter([Draw(self._epoch, int(place)) for place in mine])


class ScoreSampler(Sampler[int]):
    """Every image exactly once: this process takes each ``world_size``-th, nothing is padded."""

    def __init__(self, data: Sized, *, rank: int, world_size: int) -> None:
        self._places = range(rank, len(data), world_size)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)
