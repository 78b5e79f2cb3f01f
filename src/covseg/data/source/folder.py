"""The unpacked dataset, or a folder that contains it."""

import os
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path

from covseg.data.layout import LARGEST, LEVELS, TREES, is_picture
from covseg.data.source.archive import changed
from covseg.errors import DataError

_DEEPEST = 8  # folders between a root that merely contains the dataset and its files
_OURS = {name.lower() for names in (*LEVELS, TREES.values()) for name in names}


class FolderSource:
    """Files below a folder, links among them; a file is the same whenever it is looked at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # the folder's own name can be what tells the two trees apart
        self._base = path.parent if path.name in TREES.values() else path
        self._crcs: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        """Every PNG.

        Raises:
            DataError: a folder of the dataset that cannot be listed, or a link to one that is gone.
        """
        found: list[str] = []
        ways = {str(self.path): {_identity(self.path)}}  # a folder -> those that lead to it
        for top, folders, files in os.walk(self.path, onerror=_refuse, followlinks=True):
            folder = Path(top)
            depth = len(folder.relative_to(self.path).parts)
            way, entered = ways.pop(top), []
            for name in sorted(folders):
                inner = folder / name
                known = _identity(inner)
                if name.startswith(".") or depth >= _DEEPEST or known in way:  # or round in circles
                    continue
                ways[str(inner)] = way | {known}
                entered.append(name)
            folders[:] = entered
            relative = folder.relative_to(self._base).as_posix()
            paths = (name if relative == "." else f"{relative}/{name}" for name in files)
            found.extend(path for path in paths if is_picture(path))
            if dangling := next((name for name in files if name.lower() in _OURS), None):
                _refuse_link(folder / dangling)
        return found

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        data = self._bytes(self._base / name)
        if name in self._crcs and zlib.crc32(data) != self._crcs[name]:
            raise changed(self._base / name)
        return data

    def crc(self, name: str) -> int:
        """Computed from the bytes, once."""
        if name not in self._crcs:
            self._crcs[name] = zlib.crc32(self._bytes(self._base / name))
        return self._crcs[name]

    def _bytes(self, path: Path) -> bytes:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(
                    path, "is not a file", "restore the file from the original download"
                )
            if status.st_size > LARGEST:
                raise DataError(
                    path,
                    f"has {status.st_size / 2**20:,.0f} MiB, where no picture has more than "
                    f"{LARGEST // 2**20}",
                    "restore the file from the original download",
                )
            return path.read_bytes()
        except OSError as error:
            _refuse_link(path)
            raise DataError(
                path,
                f"cannot be read ({error.strerror})",
                "restore the file from the original download",
            ) from error


def _identity(folder: Path) -> tuple[int, int] | str:
    """What is the same for a folder and a link to it."""
    try:
        status = folder.stat()
    except OSError:
        return str(folder)
    return status.st_dev, status.st_ino


def _refuse(error: OSError) -> None:
    """A folder of the dataset that cannot be listed would be missing without a word."""
    folder = Path(error.filename)
    if folder.name.lower() in _OURS:
        raise DataError(
            folder, f"cannot be read ({error.strerror})", "allow it, or restore the folder"
        ) from error


def _refuse_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise DataError(
            path,
            f"is a link to {path.readlink()}, where nothing is",
            "bring back what it links to, or put the dataset itself there",
        )
