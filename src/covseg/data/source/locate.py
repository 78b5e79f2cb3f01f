"""Where the files come from: Kaggle's archive as it is, or a folder; nothing is unpacked."""

import difflib
import shlex
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from covseg.config.data import Dataset
from covseg.data.index import Index
from covseg.data.layout import LEVELS, TREES, is_dataset, layout_match
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
    """The source that a configuration names: drawn or downloaded first where it says so.

    Raises:
        DataMissing: nothing of the dataset is there, and it must not be downloaded.
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
        DataError: an archive that is not whole, or a folder inside the dataset.
    """
    path = Path(root).expanduser().absolute()  # its name can be what tells the trees apart
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise _not_there(path, root, error) from error
    if not path.is_dir():
        _refuse_part(root, path.parent, [path.name])
        return ZipSource(path)
    folder = FolderSource(path)
    names = folder.names()
    if is_dataset(names):
        return folder
    _refuse_part(root, path, names)
    damaged: list[DataError] = []
    for archive in sorted(p for p in path.glob("*.zip") if p.is_file()):
        try:
            if is_dataset((source := ZipSource(archive)).names()):
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


def _not_there(path: Path, root: str | Path, error: OSError | ValueError) -> DataMissing:
    """The refusal of a root that is not there, with the one beside it that was meant."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        reason = getattr(error, "strerror", None) or error
        return DataMissing(f"data.root={root}", f"cannot be read ({reason})", WHERE_TO_GET_IT)
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    for name in difflib.get_close_matches(path.name, beside, n=1):
        near = path.with_name(name)
        if near.suffix == ".zip" or (near.is_dir() and is_dataset(FolderSource(near).names())):
            return DataMissing(f"data.root={root}", "is not there", f"did you mean {near}")
    return DataMissing(f"data.root={root}", "is not there", WHERE_TO_GET_IT)


def _refuse_part(root: str | Path, folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder or a file of the dataset, such as its Train, with the folder to name."""
    for n in range(1, min(len(LEVELS), len(folder.parts) - 1) + 1):
        inner = "/".join(folder.parts[-n:])
        matches = (layout_match(f"{inner}/{name}") for name in names)
        if any(match and not match["prefix"] for match in matches):
            whole = folder.parents[n - 1]
            while whole.name in TREES.values() and whole.parent.name in TREES.values():
                whole = whole.parent
            raise DataError(
                f"data.root={root}",
                "is only a part of the dataset",
                f"say data.root={shlex.quote(str(whole))}",
            )


def fingerprint(source: Source, index: Index) -> str:
    """One key for one content: the same for the archive and for the folder it was unpacked to."""
    digest = sha256(index.tree.encode())
    for row in index.rows:
        for kind, path in (("image", row.image), ("infection", row.infection), ("lung", row.lung)):
            if path is not None:
                line = f"{row.split}/{row.patient_class}/{kind}/{row.name} {source.crc(path):08x}\n"
                digest.update(line.encode())
    return digest.hexdigest()
