"""The decoded store: every pixel of a dataset as uint8 arrays on disk, decoded once, memory-mapped.

A folder ``<cache_dir>/store<version>-<fingerprint>/`` with ``images.npy`` (0..255),
``infection.npy`` and ``lung.npy`` ({0, 1}), each [n_rows, height, width] in the order of the index.
Masks keep their size on disk, because scores are computed there. Loader workers and ranks map the
same pages.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from covseg.data.build_once import built_once, progress_bar
from covseg.data.image import Pixels, decode, decode_mask
from covseg.data.index import Index, Row
from covseg.data.source.locate import Source, fingerprint
from covseg.errors import DataError

_VERSION = 1  # of the store's own format: part of its key
_ARRAYS = ("images", "infection", "lung")
_BLOCK = 256  # rows in memory at a time
_THREADS = 4  # inflating a PNG releases the interpreter's lock


@dataclass(frozen=True)
class Store:
    """An index with the pixels of its rows.

    Attributes:
        index: the rows.
        fingerprint: of the content, the same for an archive and its unpacked folder.
        images: uint8 [n_rows, height, width].
        masks: ``infection`` and ``lung``, uint8 {0, 1} [n_rows, height, width]; all zero where a
            row has no such mask on disk.
        home: the folder that is mapped; None for arrays in memory.
    """

    index: Index
    fingerprint: str
    images: Pixels
    masks: dict[str, Pixels]
    home: Path | None = None

    def facts(self) -> dict[str, Any]:
        """Fingerprint, tree, and images by split and class, for ``provenance.json``."""
        return {
            "fingerprint": self.fingerprint,
            "tree": self.index.tree,
            "counts": self.index.counts(),
        }

    def __reduce__(self) -> Any:
        """Map the files again in a spawned loader worker instead of copying every pixel."""
        if self.home is None:
            return Store, (self.index, self.fingerprint, np.asarray(self.images), self.masks)
        return _map, (self.index, self.fingerprint, self.home)


def open_store(source: Source, index: Index, cache_dir: str | Path) -> Store:
    """Map the store of this content, and build it first if it does not exist.

    Raises:
        DataError: a file cannot be decoded or breaks a rule, or ``cache_dir`` cannot be written.
    """
    key = fingerprint(source, index)
    home = Path(cache_dir).expanduser().resolve() / f"store{_VERSION}-{key[:16]}"
    built_once(home, lambda folder: _fill(folder, source, index))
    return _map(index, key, home)


def _map(index: Index, key: str, home: Path) -> Store:
    try:
        arrays = {name: np.load(home / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    except FileNotFoundError as error:
        raise _damaged(home, f"{Path(error.filename).name} is missing") from error
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(home, error) from error
    images = arrays.pop("images")
    for name, array in {"images": images, **arrays}.items():
        if array.dtype != np.uint8 or array.shape != (len(index.rows), *images.shape[1:3]):
            raise _damaged(home, f"{name}.npy holds {array.dtype} {array.shape}")
    return Store(index, key, images, arrays, home)


def _damaged(home: Path, reason: object) -> DataError:
    return DataError(
        home, f"is a damaged store ({reason})", "delete this folder, and it is built again"
    )


def _fill(folder: Path, source: Source, index: Index) -> None:
    shape = (len(index.rows), *_decode(source, index.rows[0].image).shape)
    # plain writes, not a writable map, which ends the process with SIGBUS on a full disk
    with ExitStack() as stack:
        advance = stack.enter_context(progress_bar("decoding", len(index.rows)))
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in _ARRAYS}
        for file in files.values():
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for planes in _decode_all(source, index, shape[1:]):
            advance()
            for name, file in files.items():
                if name in planes:
                    file.write(planes[name].tobytes())
                else:
                    file.seek(shape[1] * shape[2], os.SEEK_CUR)  # a hole: zeros without a block
        for file in files.values():
            file.truncate()
            file.flush()
            os.fsync(file.fileno())  # before the folder is renamed: power can fail in between


def _decode_all(
    source: Source, index: Index, shape: tuple[int, ...]
) -> Iterator[dict[str, Pixels]]:
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(index.rows), _BLOCK):  # bounded if the disk is slow
            block = index.rows[start : start + _BLOCK]
            yield from pool.map(lambda row: _decode_row(source, row, shape), block)


def _decode_row(source: Source, row: Row, shape: tuple[int, ...]) -> dict[str, Pixels]:
    image = _decode(source, row.image)
    _check_size(source, row.image, image, shape, "the first image")
    planes = {"images": image}
    for target in ("infection", "lung"):
        if path := row.mask(target):
            planes[target] = decode_mask(source.read(path), f"{source.path}: {path}")
            _check_size(source, path, planes[target], shape, "its image")
    return planes


def _decode(source: Source, path: str) -> Pixels:
    return decode(source.read(path), f"{source.path}: {path}")


def _check_size(
    source: Source, path: str, pixels: Pixels, shape: tuple[int, ...], which: str
) -> None:
    if pixels.shape != shape:
        (height, width), (expected_height, expected_width) = pixels.shape, shape
        raise DataError(
            f"{source.path}: {path}",
            f"has {width}x{height} pixels, and {which} has {expected_width}x{expected_height}",
            "resize all images and masks of the dataset to one size",
        )
