"""Where the files come from: Kaggle's archive as it is, or a folder; nothing is unpacked."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol

from filelock import FileLock

from covseg.data.index import TREES, Index, layout_match
from covseg.errors import DataError, DataMissing

KAGGLE_DATASET = "anasmohammedtahir/covidqu"
_GET_IT = (
    "download COVID-QU-Ex from https://www.kaggle.com/datasets/anasmohammedtahir/covidqu (1.2 GB; "
    "its infection part alone is 182 MB; licence CC BY-SA 4.0) and say data.root=<zip or folder>"
)
WHERE_TO_GET_IT = f"{_GET_IT}, or say data.download=true; data=phantom needs no download"
_DEEPEST = 8  # folders between a root that merely contains the dataset and its files


class Source(Protocol):
    """Files by name: what the index lists and the store reads."""

    path: Path

    def names(self) -> Sequence[str]:
        """Every file of the dataset's layout, relative, with ``/`` between the parts."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; DataError when they cannot be read."""

    def crc(self, name: str) -> int:
        """CRC-32 of one file's bytes."""


class ZipSource:
    """The archive as Kaggle hands it out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            self._entries = {i.filename: i for i in self._zip.infolist() if not i.is_dir()}
        except (zipfile.BadZipFile, OSError, NotImplementedError, IndexError) as error:
            raise DataError(
                path, f"is not a whole zip archive ({error})", "download it again"
            ) from error
        for name in self._entries:
            if name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts:
                raise DataError(
                    path,
                    f"has an entry that leads outside of it, '{name}'",
                    "it is not the archive that Kaggle hands out; download it again",
                )

    def names(self) -> Sequence[str]:
        """Every file of the dataset's layout."""
        return [name for name in self._entries if layout_match(name)]

    def read(self, name: str) -> bytes:
        """The bytes of one entry, their CRC verified."""
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
            raise DataError(
                f"{self.path}: {name}", f"cannot be read ({error})", "download the archive again"
            ) from error

    def crc(self, name: str) -> int:
        """As the archive's directory says."""
        return self._entries[name].CRC


class FolderSource:
    """The unpacked dataset, or a folder that contains it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # the folder's own name can be what tells the two trees apart
        self._base = path.parent if path.name in TREES.values() else path

    def names(self) -> Sequence[str]:
        """Every file of the dataset's layout."""
        found: list[str] = []
        for top, folders, files in os.walk(self.path, followlinks=True):
            folder = Path(top)
            depth = len(folder.relative_to(self.path).parts)
            folders[:] = [f for f in folders if not f.startswith(".") and depth < _DEEPEST]
            relative = folder.relative_to(self._base).as_posix()
            paths = (name if relative == "." else f"{relative}/{name}" for name in files)
            found.extend(path for path in paths if layout_match(path))
        return found

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        try:
            return (self._base / name).read_bytes()
        except OSError as error:
            raise DataError(
                self._base / name, f"cannot be read ({error.strerror})", "restore the file"
            ) from error

    def crc(self, name: str) -> int:
        """Computed from the bytes."""
        return zlib.crc32(self.read(name))


def locate(root: str | Path) -> Source:
    """The source at ``root``: a zip, a dataset folder, or a folder that contains either.

    Raises:
        DataMissing: nothing there, or nothing of the dataset there.
        DataError: an archive that is not whole.
    """
    path = Path(root).expanduser().absolute()  # its name can be what tells the trees apart
    if path.is_file():
        return ZipSource(path)
    if not path.is_dir():
        raise DataMissing(f"data.root={root}", "is not there", WHERE_TO_GET_IT)
    folder = FolderSource(path)
    if folder.names():
        return folder
    damaged: list[DataError] = []
    for archive in sorted(path.glob("*.zip")):
        try:
            if (source := ZipSource(archive)).names():
                return source
        except DataError as error:
            damaged.append(error)
    if damaged:
        raise damaged[0]
    raise DataMissing(
        f"data.root={root}",
        "holds neither the dataset's folders ('Infection Segmentation Data/...') nor its archive",
        WHERE_TO_GET_IT,
    )


def download(cache_dir: str | Path) -> Path:
    """Fetch the whole dataset from Kaggle into kagglehub's cache; one process at a time.

    Raises:
        DataError: kagglehub is not installed, or Kaggle does not hand the dataset out.
    """
    try:
        import kagglehub
    except ImportError as error:
        raise DataError("data.download=true", "needs kagglehub", "pip install kagglehub") from error
    lock = Path(cache_dir).expanduser() / "download.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            return Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # kagglehub hands through whatever its transport raises
        raise DataError("data.download=true", f"failed ({error})", _GET_IT) from error


def fingerprint(source: Source, index: Index) -> str:
    """One key for one content: the same for the archive and for the folder it was unpacked to."""
    digest = sha256(index.tree.encode())
    for row in index.rows:
        for kind, path in (("image", row.image), ("infection", row.infection), ("lung", row.lung)):
            if path is not None:
                line = f"{row.split}/{row.patient_class}/{kind}/{row.name} {source.crc(path):08x}\n"
                digest.update(line.encode())
    return digest.hexdigest()
