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

_AGAIN = "it is not the archive that Kaggle hands out; download it again"


class ZipSource:
    """The archive as Kaggle hands it out.

    Raises:
        DataError: no zip archive, not a whole one, or one with entries that Kaggle's does not have.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._began = _state(path)
            self._zip = zipfile.ZipFile(path)
            entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        except PermissionError as error:
            raise DataError(path, f"cannot be read ({error.strerror})", "allow it") from error
        except (zipfile.BadZipFile, OSError, NotImplementedError, IndexError) as error:
            raise _no_archive(path, error) from error
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
                data = file.read(entry.file_size)  # with no number it would inflate without end
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
                return DataError(
                    f"{self.path}: {name}",
                    f"cannot be read ({reason})",
                    "download the archive again",
                )
        return changed(self.path)


def changed(path: object) -> DataError:
    """The refusal of a file that is another one than when it was looked at first."""
    return DataError(
        path,
        "changed while covseg was reading it",
        "wait until nothing writes to it, and say it again",
    )


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _no_archive(path: Path, error: Exception) -> DataError:
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(2) not in {b"PK", b""}:
            return DataError(
                path,
                "is neither a zip archive nor a folder",
                "let data.root name COVID-QU-Ex as Kaggle hands it out, which is a zip, or the "
                "folder that it was unpacked to",
            )
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
