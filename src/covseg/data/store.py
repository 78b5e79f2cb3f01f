"""The decoded store: every pixel of a dataset as uint8 arrays on disk, decoded once, memory-mapped.

A folder ``<cache_dir>/store<version>-<fingerprint>/`` with ``images.bin`` (0..255) and one file
per target, such as ``mask_infection.bin`` ({0, 1}), each with all planes one after the other in the
order of the index, and ``sizes.npy``, the heights and widths of images and masks. Masks keep their
size on disk, because scores are computed there. Loader workers and ranks map the same pages.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from covseg.data.build_once import built_once
from covseg.data.image import Pixels
from covseg.data.index import Index
from covseg.data.listing import Listing
from covseg.data.planes import FlatPlanes, Planes, Size
from covseg.data.resize import resize_mask
from covseg.data.row_pixels import pixels_of, size_of_first
from covseg.data.threads import mapped
from covseg.errors import DataError

_VERSION = 3  # of the store's own format: part of its key


@dataclass(frozen=True)
class Store:
    """An index with the pixels of its rows."""

    index: Index
    fingerprint: str  # of the content, the same for an archive and its unpacked folder
    images: Planes
    masks: Mapping[str, Planes]  # {0, 1}, by target; zero without a file, and of one size per row
    home: Path | None = None  # the folder that is mapped; None for arrays in memory

    def facts(self) -> dict[str, Any]:
        """Fingerprint, tree, and images by split and class, for ``provenance.json``."""
        return {
            "fingerprint": self.fingerprint,
            "tree": self.index.tree,
            "counts": self.index.counts(),
        }

    def truth_size(self, row: int) -> Size:
        """Height and width of the masks of a row, at which it is scored."""
        height, width = next(iter(self.masks.values()))[row].shape
        return height, width

    def on_image(self, target: str | None, row: int) -> Pixels:
        """A mask at the size of the stored image, {0, 1}; zero where the data has no such mask."""
        height, width = self.images[row].shape
        if target is None or target not in self.masks:
            return np.zeros((height, width), np.uint8)
        return resize_mask(self.masks[target][row], (height, width))

    def __reduce__(self) -> Any:
        """Map the files again in a spawned loader worker instead of copying every pixel."""
        if self.home is None:
            return Store, (self.index, self.fingerprint, self.images, self.masks)
        return _map, (self.index, self.fingerprint, self.home)


def open_store(listing: Listing, cache_dir: str | Path) -> Store:
    """Map the store of this content, and build it first if it does not exist.

    Raises:
        DataError: a file cannot be decoded or breaks a rule, or ``cache_dir`` cannot be written.
    """
    key = listing.fingerprint
    home = Path(cache_dir).expanduser().resolve() / f"store{_VERSION}-{key[:16]}"
    built_once(home, lambda folder: _fill(folder, listing))
    return _map(listing.index, key, home)


def _map(index: Index, key: str, home: Path) -> Store:
    try:
        sizes = np.load(home / "sizes.npy", allow_pickle=False)
        if sizes.dtype != np.int64 or sizes.shape != (len(index.rows), 2, 2):
            raise _damaged(home, f"sizes.npy holds {sizes.dtype} {sizes.shape}")
        images, *masks = (
            _mapped(home / f"{name}.bin", sizes[:, int(number > 0)])
            for number, name in enumerate(_names(index))
        )
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(home, error) from error
    return Store(index, key, images, dict(zip(index.targets, masks, strict=True)), home)


def _mapped(path: Path, sizes: npt.NDArray[np.int64]) -> FlatPlanes:
    flat = np.memmap(path, np.uint8, "r")
    if flat.size != (expected := int(sizes.prod(axis=1).sum())):
        raise ValueError(f"{path.name} has {flat.size:,} bytes, expected {expected:,}")
    return FlatPlanes(flat, sizes)


def _damaged(home: Path, reason: object) -> DataError:
    return DataError(
        home, f"is a damaged store ({reason})", "delete this folder, and it is built again"
    )


def _names(index: Index) -> list[str]:
    return ["images", *(f"mask_{target}" for target in index.targets)]


def _fill(folder: Path, listing: Listing) -> None:
    rows, targets = listing.index.rows, listing.index.targets
    only = size_of_first(listing) if listing.reading.strict else None
    sizes: list[tuple[tuple[int, ...], Size]] = []
    # plain writes, not a writable map, which ends the process with SIGBUS on a full disk
    with ExitStack() as stack:
        decoded = mapped(partial(pixels_of, listing, only=only), rows, "decoding", threads=4)
        stack.enter_context(closing(decoded))
        images, *files = (
            stack.enter_context((folder / f"{name}.bin").open("wb"))
            for name in _names(listing.index)
        )
        for image, size, masks in decoded:
            images.write(image.tobytes())
            for target, file in zip(targets, files, strict=True):
                if target in masks:
                    file.write(masks[target].tobytes())
                else:
                    file.seek(size[0] * size[1], os.SEEK_CUR)  # a hole: zeros without a block
            sizes.append((image.shape, size))
        with (folder / "sizes.npy").open("wb") as file:
            np.save(file, np.array(sizes, np.int64))
            _finish([images, *files, file])


def _finish(files: Iterable[IO[bytes]]) -> None:
    for file in files:
        file.truncate()
        file.flush()
        os.fsync(file.fileno())  # before the folder is renamed: power can fail in between
