"""Where COVID-QU-Ex is: Kaggle's archive as it is, or a folder; nothing is unpacked."""

import shlex
from collections.abc import Iterable
from pathlib import Path

from covseg.config.data import Dataset
from covseg.data.layouts.covid_qu_ex.download import WHERE_TO_GET_IT, download
from covseg.data.layouts.covid_qu_ex.names import LEVELS, TREES, layout_match
from covseg.data.source.archive import ZipSource
from covseg.data.source.folder import FolderSource
from covseg.data.source.source import Source, existing
from covseg.errors import DataError, DataMissing

_FOLDERS = {name.lower() for names in (*LEVELS, TREES.values()) for name in names}


def source_of(data: Dataset) -> Source:
    """The source of a configuration; a missing root is downloaded where that is asked for.

    Raises:
        DataMissing: nothing of the dataset is there, and ``data.download`` is not set.
        DataError: an archive or a folder that cannot be read.
    """
    try:
        if data.root is None:
            raise DataMissing("data.root", "is not set", WHERE_TO_GET_IT)
        return locate(data.root, data.cache_dir)
    except DataMissing:
        if not data.download:
            raise
    return locate(download(data.cache_dir), data.cache_dir)


def locate(root: str | Path, cache_dir: str | Path | None = None) -> Source:
    """The source at ``root``: a zip, a dataset folder, or a folder that contains either.

    Args:
        root: as it was written.
        cache_dir: where the CRCs of a folder's files are kept; None to read every file.

    Raises:
        DataMissing: nothing there, or nothing of the dataset there.
        DataError: an archive that is not whole, or a part of the dataset.
    """
    path = existing(root, WHERE_TO_GET_IT)  # the trees can differ by the root's name alone
    if not path.is_dir():
        _refuse_part(root, [path.as_posix()])
        return ZipSource(path)
    base = path.parent if path.name in TREES.values() else path
    folder = FolderSource(path, base, lambda name: name.lower() in _FOLDERS, cache_dir)
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
