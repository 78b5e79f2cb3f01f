"""The pictures below a folder."""

import os
import stat
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from covseg.data.source.archive import changed
from covseg.data.source.crcs import kept_crcs
from covseg.data.source.file_names import LARGEST, is_picture
from covseg.errors import DataError

_DEEPEST = 32  # folders between a root that merely contains the data and its files
_RESTORE = "restore the file from the original"


class FolderSource:
    """Files below a folder, links followed; a file that changes between two reads is refused.

    Args:
        path: the folder.
        base: which the names are relative to; None for the folder itself.
        matters: whether a folder of this name that cannot be listed is refused, not skipped.
        cache_dir: where CRCs are kept between starts; None to read every file.
    """

    def __init__(
        self,
        path: Path,
        base: Path | None = None,
        matters: Callable[[str], bool] = bool,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.path = path
        self.base = base or path
        self._matters = matters
        self._cache_dir = cache_dir
        self._crcs: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        """Every picture.

        Raises:
            DataError: a folder that matters cannot be listed, or is a link to none.
        """
        pictures: list[str] = []
        for top, folders, files in os.walk(self.path, onerror=self._refuse, followlinks=True):
            folder = Path(top)
            # a link to a folder that it is in would never end
            above = {parent.resolve() for parent in (folder, *folder.parents)}
            deepest = len(folder.relative_to(self.path).parts) >= _DEEPEST
            folders[:] = sorted(
                name
                for name in folders
                if not (deepest or name.startswith(".") or (folder / name).resolve() in above)
            )
            relative = folder.relative_to(self.base).as_posix()
            paths = (name if relative == "." else f"{relative}/{name}" for name in files)
            pictures.extend(path for path in paths if is_picture(path))
            for name in files:
                if self._matters(name) and not name.startswith("."):
                    _refuse_link(folder / name)
        return pictures

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        data = self._bytes(name)
        if name in self._crcs and zlib.crc32(data) != self._crcs[name]:
            raise changed(self.base / name)
        return data

    def crcs(self, names: Sequence[str]) -> Mapping[str, int]:
        """CRC-32 of files, computed from the bytes of those that were not read before."""
        new = [name for name in names if name not in self._crcs]
        self._crcs |= kept_crcs(self._cache_dir, self.base, new, self._bytes)
        return self._crcs

    def _refuse(self, error: OSError) -> None:
        """Refuse a folder that cannot be listed; ``os.walk`` would skip it."""
        folder = Path(error.filename)
        if self._matters(folder.name):
            cause = f"cannot be read ({error.strerror})"
            raise DataError(folder, cause, "change its permissions, or restore it") from error

    def _bytes(self, name: str) -> bytes:
        path = self.base / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
                cause = f"is not a file of at most {LARGEST // 2**20} MiB"
                raise DataError(path, cause, _RESTORE)
            return path.read_bytes()
        except OSError as error:
            _refuse_link(path)
            raise DataError(path, f"cannot be read ({error.strerror})", _RESTORE) from error


def _refuse_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise DataError(
            path,
            f"is a link to {path.readlink()}, which does not exist",
            "restore the target, or replace the link by what it should lead to",
        )
