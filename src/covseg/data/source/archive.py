"""A zip archive as it is: nothing is unpacked, and nothing in it is trusted."""

import contextlib
import lzma
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from covseg.data.source.file_names import LARGEST, is_picture
from covseg.errors import DataError

_TAIL = 22 + 65535  # bytes of an archive's end record with the longest comment
_AGAIN = "download the archive again, or make it again"
_NEITHER = "set data.root= to the zip archive, downloaded again if this is it, or to a folder"
_OF_ZIP = (  # what zipfile raises for a damaged archive
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, IndexError),
    *(RuntimeError, NotImplementedError, ValueError),
)


class ZipSource:
    """An archive, as Kaggle distributes COVID-QU-Ex.

    Raises:
        DataError: not a zip archive, not a whole one, or one with entries that are not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # opening a pipe would block forever
            raise DataError(path, "is neither a zip archive nor a folder", _NEITHER)
        try:
            self._initial_state = _state(path)
            self._zip = zipfile.ZipFile(path)
            n_listed = _n_listed(path)
        except _OF_ZIP as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(
                path, f"cannot be read as a zip archive ({reason})", _NEITHER
            ) from error
        entries = self._zip.infolist()
        if n_listed not in {len(entries), 0xFFFF}:  # 0xFFFF: too many for the field
            cause = f"lists {len(entries)} entries, expected {n_listed}"
            raise DataError(path, cause, _AGAIN)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            _check(path, entry)
            name = entry.filename.replace("\\", "/")  # some programs write Windows' separator
            if name in self._entries:
                raise DataError(f"{path}: {name}", "is in the archive more than once", _AGAIN)
            if is_picture(name) and not name.endswith("/"):  # of a folder
                self._entries[name] = entry

    def names(self) -> Sequence[str]:
        """Every picture."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """The bytes of one entry, their CRC verified."""
        entry = self._entries[name]
        try:
            with self._zip.open(entry) as file:
                # bounded, because an entry can inflate without end; one byte more checks the CRC
                data = file.read(entry.file_size + 1)
            if len(data) != entry.file_size:
                raise EOFError("shorter than the archive's directory says")
        except _OF_ZIP as error:
            with contextlib.suppress(OSError):
                if _state(self.path) == self._initial_state:
                    reason = str(error).partition(" for file")[0]  # the name follows again
                    where, cause = f"{self.path}: {name}", f"cannot be read ({reason})"
                    raise DataError(where, cause, _AGAIN) from error
            raise changed(self.path) from error
        return data

    def crcs(self, names: Sequence[str]) -> Mapping[str, int]:
        """CRC-32 of entries, as the archive's directory says."""
        return {name: self._entries[name].CRC for name in names}


def changed(path: object) -> DataError:
    """The error for a file that is not the same as when it was first read."""
    return DataError(
        path,
        "changed while covseg was reading it",
        "wait until nothing writes to it, and start again",
    )


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _n_listed(path: Path) -> int:
    """The number of entries in the archive's end record, which zipfile does not check.

    A damaged directory can hide some entries.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    at = tail.rindex(b"PK\x05\x06")
    return int.from_bytes(tail[at + 10 : at + 12], "little")


def _check(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse from the archive's directory alone what must not be read."""
    name = entry.filename
    if not name:  # it began with NUL
        raise DataError(path, "has an entry without a name", _AGAIN)
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(path, f"has an entry with a path outside of it, '{name}'", _AGAIN)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(path, f"has an entry that is a link, '{name}'", _AGAIN)
    if entry.flag_bits & 1:
        remedy = "unpack it with its password, and set data.root= to the folder"
        raise DataError(path, "is encrypted", remedy)
    if entry.file_size > LARGEST and is_picture(name):
        size = f"has {entry.file_size / 2**20:,.0f} MiB unpacked"
        cause = f"{size}, and no image has more than {LARGEST // 2**20}"
        raise DataError(f"{path}: {name}", cause, _AGAIN)
