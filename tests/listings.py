"""Rows, tables and stores as tests make them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image

from covseg.data.index import Index, Row
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES, POSITIVE_CLASS
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex
from covseg.data.listing import Listing
from covseg.data.source.source import Source
from covseg.data.store import Store, open_store


def row(
    split: str,
    patient_class: str,
    name: str,
    image: str = "image",
    infection: str | None = "mask",
    lung: str | None = None,
) -> Row:
    """A row of COVID-QU-Ex."""
    files = {"infection": infection, "lung": lung}
    masks = {target: (path,) for target, path in files.items() if path is not None}
    return Row(split, patient_class, name, image, masks)


def without_lungs(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The same rows without lung masks."""
    only = ((row, {"infection": row.masks["infection"]}) for row in rows)
    return tuple(replace(row, masks=masks) for row, masks in only)


def official(rows: Iterable[Row]) -> Index:
    """An index of the infection tree of COVID-QU-Ex."""
    facts = ("infection", PATIENT_CLASSES, POSITIVE_CLASS)
    return Index(tuple(rows), ("infection", "lung"), *facts)


def listed(source: Source, targets: Sequence[str] = ("infection",)) -> Listing:
    """COVID-QU-Ex, refused if a file is missing that the targets need."""
    listing = covid_qu_ex(source, targets)
    listing.check(targets)
    return listing


def listed_paths(paths: Iterable[str], targets: Sequence[str] = ("infection",)) -> Index:
    """The index of these paths, which need not exist."""
    paths = list(paths)
    return listed(SimpleNamespace(path="here", names=lambda: paths), targets).index  # type: ignore[arg-type]


def opened(root: Path, cache: Path | str, targets: Sequence[str] = ("infection",)) -> Store:
    """The store of COVID-QU-Ex at a place."""
    return open_store(listed(locate(root), targets), cache)


def write_square(path: Path, value: int, left: int = 4, side: int = 16) -> None:
    """Write a picture with a square of one value at one place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((side, side), np.uint8)
    pixels[4:8, left : left + 4] = value
    Image.fromarray(pixels).save(path)
