"""The decoded store: every pixel of a dataset as uint8 arrays on disk, decoded once, memory-mapped.

A folder ``<cache_dir>/store<version>-<fingerprint>/`` with ``images.npy`` (0..255),
``infection.npy`` and ``lung.npy`` ({0, 1}), each [n_rows, height, width] in the order of the index.
Masks keep their size on disk, because scores are computed there. Loader workers and ranks map the
same pages.
"""

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from covseg.data.build_once import built_once
from covseg.data.image import Pixels, decode, decode_mask
from covseg.data.index import Index, Row
from covseg.data.source.locate import Source, fingerprint
from covseg.data.threads import mapped
from covseg.errors import DataError

_VERSION = 1  # of the store's own format: part of its key
_ARRAYS = ("images", "infection", "lung")


@dataclass(frozen=True)
class Store:
    """An index with the pixels of its rows."""

    index: Index
    fingerprint: str  # of the content, the same for an archive and its unpacked folder
    images: Pixels  # uint8 [n_rows, height, width]
    masks: dict[str, Pixels]  # infection and lung, {0, 1} like images; zero without a file
    home: Path | None = None  # the folder that is mapped; None for arrays in memory

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
    first = index.rows[0].image
    shape = (len(index.rows), *decode(source.read(first), f"{source.path}: {first}").shape)
    # plain writes, not a writable map, which ends the process with SIGBUS on a full disk
    with ExitStack() as stack:
        rows = mapped(partial(_decode_row, source, shape[1:]), index.rows, "decoding", threads=4)
        stack.enter_context(closing(rows))
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in _ARRAYS}
        for file in files.values():
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
        for planes in rows:
            for name, file in files.items():
                if name in planes:
                    file.write(planes[name].tobytes())
                else:
                    file.seek(shape[1] * shape[2], os.SEEK_CUR)  # a hole: zeros without a block
        for file in files.values():
            file.truncate()
            file.flush()
            os.fsync(file.fileno())  # before the folder is renamed: power can fail in between


def _decode_row(source: Source, shape: tuple[int, ...], row: Row) -> dict[str, Pixels]:
    planes = {}
    for kind, path in row.files.items():
        where, read = f"{source.path}: {path}", decode if kind == "image" else decode_mask
        pixels = read(source.read(path), where)
        if pixels.shape != shape:
            size, expected = (f"{width}x{height}" for height, width in (pixels.shape, shape))
            cause = f"has {size} pixels, and the first image has {expected}"
            raise DataError(where, cause, "resize all images and masks to one size")
        planes["images" if kind == "image" else kind] = pixels
    return planes
