"""Kaggle's archive as it is: nothing is unpacked, and nothing in it is trusted."""

import contextlib
import lzma
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from covseg.data.layout import LARGEST, is_picture
from covseg.errors import DataError

_TAIL = 22 + 65535  # bytes of an archive's end record with the longest comment
_AGAIN = "it is not Kaggle's archive; download it again"


class ZipSource:
    """The archive as Kaggle distributes it.

    Raises:
        DataError: not a zip archive, not a whole one, or one with entries that Kaggle's does not
            have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # opening a pipe would block forever
            raise _other_kind(path)
        try:
            self._initial_state = _state(path)
            self._zip = zipfile.ZipFile(path)
            entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        except PermissionError as error:
            cause = f"cannot be read ({error.strerror})"
            raise DataError(path, cause, "change its permissions") from error
        except (zipfile.BadZipFile, OSError, NotImplementedError, IndexError, ValueError) as error:
            raise _no_archive(path, error) from error
        if (n_listed := _n_listed(path)) not in {len(self._zip.infolist()), None}:
            raise _no_archive(path, f"it should have {n_listed} entries")
        for entry in entries:
            _check(path, entry)
        # some programs write Windows' separator into an archive
        named = [(entry.filename.replace("\\", "/"), entry) for entry in entries]
        self._entries = {name: entry for name, entry in named if is_picture(name)}
        for name, n in Counter(name for name, _ in named).items():
            if n > 1 and name in self._entries:
                raise DataError(f"{path}: {name}", f"is in the archive {n} times", _AGAIN)

    def names(self) -> Sequence[str]:
        """Every PNG."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """The bytes of one entry, their CRC verified."""
        entry = self._entries[name]
        try:
            with self._zip.open(entry) as file:
                # bounded, because an entry can inflate without end; one byte more checks the CRC
                data = file.read(entry.file_size + 1)
        except (
            *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError),
            *(RuntimeError, NotImplementedError, ValueError),
        ) as error:
            raise self._damaged(name, error) from error
        if len(data) != entry.file_size:
            raise self._damaged(name, "shorter than the archive's directory says")
        return data

    def crc(self, name: str) -> int:
        """As the archive's directory says."""
        return self._entries[name].CRC

    def _damaged(self, name: str, reason: object) -> DataError:
        with contextlib.suppress(OSError):
            if _state(self.path) == self._initial_state:
                why = str(reason).partition(" for file")[0]  # the name follows, a second time
                return DataError(
                    f"{self.path}: {name}",
                    f"cannot be read ({why})",
                    "download the archive again",
                )
        return changed(self.path)


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


def _other_kind(path: Path) -> DataError:
    return DataError(
        path,
        "is neither a zip archive nor a folder",
        "set data.root= to COVID-QU-Ex as Kaggle distributes it, which is a zip, or the folder "
        "that it was unpacked to",
    )


def _n_listed(path: Path) -> int | None:
    """The number of entries in the archive's end record, which zipfile does not check.

    A damaged directory can hide some entries. None if there are too many for the field.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    n_entries = int.from_bytes(tail[at + 10 : at + 12], "little")
    return None if at < 0 or n_entries == 0xFFFF else n_entries


def _no_archive(path: Path, error: object) -> DataError:
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(2) not in {b"PK", b""}:
            return _other_kind(path)
    return DataError(path, f"is not a whole zip archive ({error})", "download it again")


def _check(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse from the archive's directory alone what must not be read."""
    name = entry.filename
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(path, f"has an entry with a path outside of it, '{name}'", _AGAIN)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(path, f"has an entry that is a link, '{name}'", _AGAIN)
    if entry.flag_bits & 1:
        raise DataError(
            path,
            "is encrypted",
            "unpack it with its password, and set data.root= to the folder",
        )
    if entry.file_size > LARGEST and is_picture(name):
        raise DataError(
            f"{path}: {name}",
            f"has {entry.file_size / 2**20:,.0f} MiB unpacked, and no image has more than "
            f"{LARGEST // 2**20}",
            _AGAIN,
        )
