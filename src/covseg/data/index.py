"""The index: one validated row an image, whatever folder or archive the files came in.

COVID-QU-Ex has two trees. *Infection Segmentation Data* (5,826 images with infection and lung
masks) is the one that covseg is for; *Lung Segmentation Data* (33,920 images with lung masks only,
the 5,826 among them) sits beside it in the full download. An index holds one of them, never both:
an image that stands in both would be counted twice, and in different splits.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import get_args

from covseg.config import Split
from covseg.errors import DataError

SPLITS: tuple[Split, ...] = get_args(Split)
PATIENT_CLASSES = ("COVID-19", "Non-COVID", "Normal")
TREES = {"infection": "Infection Segmentation Data", "lung": "Lung Segmentation Data"}

_FOLDERS = {"images": "image", "infection masks": "infection", "lung masks": "lung"}
_SPELLING = {name.lower(): name for name in (*SPLITS, *PATIENT_CLASSES)}
_LAYOUT = re.compile(
    rf"(?P<prefix>.*?)(?P<split>{'|'.join(SPLITS)})/(?P<patient_class>{'|'.join(PATIENT_CLASSES)})"
    rf"/(?P<folder>{'|'.join(_FOLDERS)})/(?P<name>[^/]+\.png)",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Row:
    """One image: where it belongs, and the paths of its files inside the source."""

    split: str
    patient_class: str
    name: str
    image: str
    infection: str | None
    lung: str | None

    def mask(self, target: str) -> str | None:
        """The path of the mask of ``infection`` or ``lung``, None where there is none."""
        return self.infection if target == "infection" else self.lung


@dataclass(frozen=True)
class Index:
    """The rows of one tree, sorted by split, class and name; a row's number is its place here."""

    tree: str
    rows: tuple[Row, ...]

    def of_split(self, *splits: str) -> list[int]:
        """The numbers of the rows of these splits, in the order of the table."""
        return [number for number, row in enumerate(self.rows) if row.split in splits]

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by split and class: ``{"Train": {"COVID-19": 1864, ...}, ...}``."""
        found = Counter((row.split, row.patient_class) for row in self.rows)
        return {s: {c: found[s, c] for c in PATIENT_CLASSES} for s in SPLITS}


def layout_match(path: str) -> re.Match[str] | None:
    """The parts of a path that follows the dataset's layout, None for every other file."""
    if path.startswith("__MACOSX/") or "/._" in path:  # a Mac's notes on files, not files
        return None
    return _LAYOUT.fullmatch(path)


def read_index(paths: Iterable[str], targets: Sequence[str], where: str) -> Index:
    """Build the index of the tree that has masks for ``targets``.

    Args:
        paths: all files of the source, relative to it, with ``/`` between the parts.
        targets: what is segmented; ``["lung"]`` prefers the larger tree where it is present.
        where: the source, for the sentences.

    Raises:
        DataError: no file of the layout, two copies of the tree, an image without a mask that it
            needs, or a mask without an image.
    """
    trees: dict[str, dict[str, list[re.Match[str]]]] = {tree: {} for tree in TREES}
    for path in paths:
        if match := layout_match(path):
            tree = "lung" if TREES["lung"].lower() in match["prefix"].lower() else "infection"
            trees[tree].setdefault(match["prefix"], []).append(match)
    tree = "lung" if list(targets) == ["lung"] and trees["lung"] else "infection"
    copies = trees[tree]
    if not copies:
        raise DataError(
            where,
            f"has no file of the layout '.../{TREES['infection']}/Train/COVID-19/images/NAME.png'",
            "let data.root name the archive of COVID-QU-Ex or the folder that it was unpacked to",
        )
    if len(copies) > 1:
        first, second, *_ = sorted(copies)
        raise DataError(
            where,
            f"holds two copies of the dataset, '{first}' and '{second}'",
            "let data.root name one of them",
        )
    rows = _rows(next(iter(copies.values())), required={*targets} | {tree}, where=where)
    return Index(tree, tuple(sorted(rows)))


def _rows(matches: list[re.Match[str]], required: set[str], where: str) -> list[Row]:
    files: dict[tuple[str, str, str], dict[str, str]] = {}
    for match in matches:
        split, patient_class = match["split"].lower(), match["patient_class"].lower()
        key = (_SPELLING[split], _SPELLING[patient_class], match["name"])
        files.setdefault(key, {})[_FOLDERS[match["folder"].lower()]] = match.string
    for (*_, name), kinds in files.items():
        if absent := ({"image"} | required) - kinds.keys():
            kind, folder = next((k, f) for f, k in _FOLDERS.items() if k in absent)
            present = PurePosixPath(next(iter(kinds.values())))
            raise DataError(
                f"{where}: {present.parent.parent / folder / name}",
                f"is missing, though {present.parent.name}/{name} is there",
                "restore the file from the original download"
                + ("" if kind == "image" else ", or remove the image"),
            )
    return [
        Row(*key, kinds["image"], kinds.get("infection"), kinds.get("lung"))
        for key, kinds in files.items()
    ]
