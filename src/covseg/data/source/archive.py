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

_TAIL = 22 + 65535  # bytes of an archive's last words with the longest comment
_AGAIN = "it is not the archive that Kaggle hands out; download it again"


class ZipSource:
    """The archive as Kaggle hands it out.

    Raises:
        DataError: no zip archive, not a whole one, or one with entries that Kaggle's does not have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():  # opening a pipe would wait for ever
            raise _other_kind(path)
        try:
            self._began = _state(path)
            self._zip = zipfile.ZipFile(path)
            entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        except PermissionError as error:
            raise DataError(path, f"cannot be read ({error.strerror})", "allow it") from error
        except (zipfile.BadZipFile, OSError, NotImplementedError, IndexError, ValueError) as error:
            raise _no_archive(path, error) from error
        if (n_listed := _n_listed(path)) not in {len(self._zip.infolist()), None}:
            raise _no_archive(path, f"it should have {n_listed} entries")
        for entry in entries:
            _check(path, entry)
        # some programs write Windows' separator into an archive
        pictures = [(entry.filename.replace("\\", "/"), entry) for entry in entries]
        self._entries = {name: entry for name, entry in pictures if is_picture(name)}
        for name, n in Counter(name for name, _ in pictures).items():
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
                # with no number it would inflate without end; the one more has the CRC looked at
                data = file.read(entry.file_size + 1)
        except (
            *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError),
            *(RuntimeError, NotImplementedError, ValueError),
        ) as error:
            raise self._damaged(name, error) from error
        if len(data) != entry.file_size:
            raise self._damaged(name, "shorter than the archive says")
        return data

    def crc(self, name: str) -> int:
        """As the archive's directory says."""
        return self._entries[name].CRC

    def _damaged(self, name: str, reason: object) -> DataError:
        with contextlib.suppress(OSError):
            if _state(self.path) == self._began:
                why = str(reason).partition(" for file")[0]  # which names it again
                return DataError(
                    f"{self.path}: {name}",
                    f"cannot be read ({why})",
                    "download the archive again",
                )
        return changed(self.path)


def changed(path: object) -> DataError:
    """The refusal of a file that is another one than when it was looked at first."""
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
        "let data.root name COVID-QU-Ex as Kaggle hands it out, which is a zip, or the folder that "
        "it was unpacked to",
    )


def _n_listed(path: Path) -> int | None:
    """How many entries there are by the archive's last words, which zipfile does not look at.

    A damaged directory can hide some of its entries. None where there are too many for the field.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    found = int.from_bytes(tail[at + 10 : at + 12], "little")
    return None if at < 0 or found == 0xFFFF else found


def _no_archive(path: Path, error: object) -> DataError:
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(2) not in {b"PK", b""}:
            return _other_kind(path)
    return DataError(path, f"is not a whole zip archive ({error})", "download it again")


def _check(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse from the archive's directory alone what must not be read."""
    name = entry.filename
    if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(path, f"has an entry that leads outside of it, '{name}'", _AGAIN)
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataError(path, f"has an entry that is a link, '{name}'", _AGAIN)
    if entry.flag_bits & 1:
        raise DataError(
            path,
            "is encrypted",
            "unpack it with its password, and let data.root name the folder",
        )
    if entry.file_size > LARGEST and is_picture(name):
        raise DataError(
            f"{path}: {name}",
            f"would have {entry.file_size / 2**20:,.0f} MiB unpacked, where no picture has more "
            f"than {LARGEST // 2**20}",
            _AGAIN,
        )
