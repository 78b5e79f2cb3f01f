"""Images or masks of any size, one after the other in one array that can be mapped from disk."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels

Size = tuple[int, int]  # height, width


class Planes(Protocol):
    """One image or mask per row of an index; an array [n, height, width] is one, too."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Pixels:
        """Uint8 [height, width]."""

    def __iter__(self) -> Iterator[Pixels]: ...


class FlatPlanes:
    """Planes of any sizes in a flat array.

    Args:
        flat: all pixels, uint8.
        sizes: height and width of each plane, [n, 2].
    """

    def __init__(self, flat: Pixels, sizes: npt.NDArray[np.int64]) -> None:
        self._flat = np.asarray(flat)  # indexing np.memmap takes several times as long
        ends = sizes.prod(axis=1).cumsum().tolist()
        self._places = list(zip([0, *ends], ends, map(tuple, sizes.tolist()), strict=False))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> Pixels:
        start, end, size = self._places[row]
        return self._flat[start:end].reshape(size)

    def __iter__(self) -> Iterator[Pixels]:
        return (self[row] for row in range(len(self)))


class Chained:
    """The planes of two groups, one after the other."""

    def __init__(self, first: Sequence[Pixels], second: Planes) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, row: int) -> Pixels:
        n_first = len(self._first)
        return self._first[row] if row < n_first else self._second[row - n_first]

    def __iter__(self) -> Iterator[Pixels]:
        return (self[row] for row in range(len(self)))


def common_size(planes: Planes) -> Size | None:
    """The size that all planes have, None where they differ."""
    sizes = {plane.shape for plane in planes}
    return sizes.pop() if len(sizes) == 1 else None
