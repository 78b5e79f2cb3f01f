"""Which process gets which image: exact shares for any number of processes."""

from collections.abc import Iterator, Sequence, Sized

import numpy as np
from torch.utils.data import Sampler

from covseg.data.dataset import Draw
from covseg.data.planes import Size

_PIXELS = 2**24  # of the truths of a batch at most: scoring takes some 100 bytes for each


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


class ScoreBatches(Sampler[list[int]]):
    """Every image exactly once: this process takes each ``world_size``-th, nothing is padded.

    The images of a batch have one size of truth.

    Args:
        sizes: of the truth of each image, in pixels.
        batch_size: at most, of one process.
        rank: of this process.
        world_size: number of processes.
    """

    def __init__(
        self, sizes: Sequence[Size], batch_size: int, *, rank: int, world_size: int
    ) -> None:
        of_size: dict[Size, list[int]] = {}
        for place in range(rank, len(sizes), world_size):
            of_size.setdefault(sizes[place], []).append(place)
        self._batches: list[list[int]] = []
        for (height, width), places in of_size.items():
            step = max(1, min(batch_size, _PIXELS // (height * width)))
            self._batches += [places[at : at + step] for at in range(0, len(places), step)]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)
