"""Where the files come from: Kaggle's archive as it is, or a folder; nothing is unpacked."""

import shlex
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from covseg.config.data import Dataset
from covseg.data.index import Index
from covseg.data.layout import layout_match
from covseg.data.phantom.dataset import phantom_root
from covseg.data.source.archive import ZipSource
from covseg.data.source.download import WHERE_TO_GET_IT, download
from covseg.data.source.folder import FolderSource
from covseg.errors import DataError, DataMissing


class Source(Protocol):
    """Files by name: what the index lists and the store reads."""

    path: Path

    def names(self) -> Sequence[str]:
        """Every PNG, relative, with ``/`` between the parts."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; DataError when they cannot be read or are not those of ``crc``."""

    def crc(self, name: str) -> int:
        """CRC-32 of one file's bytes."""


def source_of(data: Dataset) -> Source:
    """The source of a configuration; phantom data is drawn first, a missing root downloaded.

    Raises:
        DataMissing: nothing of the dataset is there, and ``data.download`` is not set.
        DataError: an archive or a folder that cannot be read.
    """
    if data.root is None and data.phantom is not None:
        return locate(phantom_root(data.phantom, data.cache_dir))
    try:
        if data.root is None:
            raise DataMissing("data.root", "is not set", WHERE_TO_GET_IT)
        return locate(data.root)
    except DataMissing:
        if not data.download:
            raise
    return locate(download(data.cache_dir))


def locate(root: str | Path) -> Source:
    """The source at ``root``: a zip, a dataset folder, or a folder that contains either.

    Raises:
        DataMissing: nothing there, or nothing of the dataset there.
        DataError: an archive that is not whole, or a part of the dataset.
    """
    path = Path(root).expanduser().absolute()  # the two trees can differ by the root's name alone
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataMissing(f"data.root={root}", "does not exist", WHERE_TO_GET_IT) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        cause = f"cannot be read ({reason})"
        raise DataMissing(f"data.root={root}", cause, WHERE_TO_GET_IT) from error
    if not path.is_dir():
        _refuse_part(root, [path.as_posix()])
        return ZipSource(path)
    folder = FolderSource(path)
    names = folder.names()
    if any(map(layout_match, names)):
        return folder
    _refuse_part(root, (f"{path.as_posix()}/{name}" for name in names))
    damaged: list[DataError] = []
    for archive in sorted(p for p in path.glob("*.zip") if p.is_file()):
        try:
            if any(map(layout_match, (source := ZipSource(archive)).names())):
                return source
        except DataError as error:
            damaged.append(error)
    if damaged:
        raise damaged[0]
    raise DataMissing(
        f"data.root={root}",
        "holds neither the dataset's folders ('Infection Segmentation Data/...') nor its archive"
        if any(path.iterdir())
        else "is an empty folder",
        WHERE_TO_GET_IT,
    )


def _refuse_part(root: str | Path, paths: Iterable[str]) -> None:
    """Refuse a folder or a file of the dataset, such as its Train, with the folder to name."""
    if match := next(filter(None, map(layout_match, paths)), None):
        whole = shlex.quote(match["prefix"].rstrip("/") or "/")
        raise DataError(
            f"data.root={root}", "is only a part of the dataset", f"set data.root={whole}"
        )


def fingerprint(source: Source, index: Index) -> str:
    """SHA-256 of the content: the same for the archive and for the folder it was unpacked to."""
    digest = sha256(index.tree.encode())
    for row in index.rows:
        for kind, path in row.files.items():
            line = f"{row.split}/{row.patient_class}/{kind}/{row.name} {source.crc(path):08x}\n"
            digest.update(line.encode())
    return digest.hexdigest()
