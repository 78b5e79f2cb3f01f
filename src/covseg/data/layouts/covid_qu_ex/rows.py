"""The table of COVID-QU-Ex.

It has two trees. *Infection Segmentation Data* (5,826 images with infection and lung masks) is the
one that covseg is for; *Lung Segmentation Data* (33,920 images with lung masks only, the 5,826
among them) is beside it in the full download. A table holds one of them, never both: an image that
is in both would be counted twice, and in different splits.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from covseg.config.data import SPLITS
from covseg.data.index import Index, Key, Row
from covseg.data.layouts.covid_qu_ex.names import (
    FOLDERS,
    PATIENT_CLASSES,
    POSITIVE_CLASS,
    TREES,
    layout_match,
    misplaced,
)
from covseg.data.listing import Listing, Missing
from covseg.data.reading import Reading
from covseg.data.source.source import Source
from covseg.errors import DataError

_SPELLING = {name.lower(): name for name in (*SPLITS, *PATIENT_CLASSES)}
_KINDS = {folder: kind for kind, folder in FOLDERS.items()}
_RESTORE = "restore the file from the original download"
_Files = dict[str, str]  # image, infection, lung -> path


def covid_qu_ex(source: Source, targets: Sequence[str] = ("infection",)) -> Listing:
    """List the tree that has masks for ``targets``; ``["lung"]`` prefers the larger one.

    Raises:
        DataError: no file of the layout, a folder that the layout does not have, two copies of the
            tree, or one name written in two ways.
    """
    where = str(source.path)
    tree, files = _read_files(list(source.names()), targets, where)
    rows = [
        Row(*key, kinds["image"], {t: (kinds[t],) for t in TREES if t in kinds})
        for key, kinds in files.items()
        if {"image", tree} <= kinds.keys()
    ]
    index = Index(
        tuple(sorted(rows, key=lambda row: row.key)),
        ("infection", "lung") if tree == "infection" else ("lung",),
        tree,
        PATIENT_CLASSES,
        POSITIVE_CLASS,
    )
    missing = tuple(_missing(files, {"image", tree, *targets}, where))
    return Listing(source, index, Reading(strict=True), missing)


def lung_tree_counts(source: Source) -> dict[str, dict[str, int]] | None:
    """Images of *Lung Segmentation Data* by split and class, None if it is missing.

    They are counted by their names and not decoded.

    Raises:
        DataError: two copies of the tree, or one name written in two ways.
    """
    tree, files = _read_files(list(source.names()), ["lung"], str(source.path))
    if tree != "lung":
        return None
    rows = (Row(*key, kinds["image"]) for key, kinds in files.items() if "image" in kinds)
    return Index(tuple(rows), ("lung",), tree, PATIENT_CLASSES).counts()


def _missing(files: Mapping[Key, _Files], needed: Collection[str], where: str) -> Iterator[Missing]:
    """What is incomplete; lung masks are expected where any image has one."""
    expected = {*needed, *(kind for kinds in files.values() for kind in kinds)}
    for key, kinds in sorted(files.items()):
        for kind in (kind for kind in FOLDERS if kind in expected - kinds.keys()):
            yield Missing(key, kind, _incomplete(where, kinds, kind))


def _read_files(
    paths: Sequence[str], targets: Sequence[str], where: str
) -> tuple[str, dict[Key, _Files]]:
    """The tree, and the files of each image in it, complete or not."""
    trees: dict[str, dict[str, list[re.Match[str]]]] = {tree: {} for tree in TREES}
    for path in paths:
        if match := layout_match(path):
            tree = "lung" if TREES["lung"].lower() in match["prefix"].lower() else "infection"
            trees[tree].setdefault(match["prefix"], []).append(match)
    tree = "lung" if list(targets) == ["lung"] and trees["lung"] else "infection"
    if not trees[tree] and trees["lung"]:
        raise DataError(
            where,
            "has lung masks only, no infection masks",
            f"set data.targets=[lung], or get the folder '{TREES['infection']}' as well",
        )
    prefix, matches = _one_copy(trees[tree], where)
    if wrong := misplaced(paths, prefix):
        raise DataError(
            f"{where}: {PurePosixPath(wrong).parent}",
            "is not a folder of the dataset",
            "give it the name that it has in the original download, or move it elsewhere",
        )
    return tree, _by_image(matches, where)


def _one_copy(
    copies: Mapping[str, list[re.Match[str]]], where: str
) -> tuple[str, list[re.Match[str]]]:
    """The only copy of a tree: the path above it, and its files."""
    if not copies:
        raise DataError(
            where,
            f"has no file of the layout '.../{TREES['infection']}/Train/COVID-19/images/NAME.png'",
            "set data.root= to the archive of COVID-QU-Ex or the folder that it was unpacked to; "
            "for other data, set data=folder or data=table",
        )
    if len(copies) > 1:
        first, second, *_ = sorted(copies)
        raise DataError(
            where,
            f"holds two copies of the dataset, '{first}' and '{second}'",
            "set data.root= to one of them",
        )
    [copy] = copies.items()
    return copy


def _by_image(matches: list[re.Match[str]], where: str) -> dict[Key, _Files]:
    files: dict[Key, _Files] = {}
    for match in matches:
        split, patient_class = match["split"].lower(), match["patient_class"].lower()
        # macOS decomposes characters (e and an accent) that other systems write as one
        name = unicodedata.normalize("NFC", match["name"])
        kinds = files.setdefault((_SPELLING[split], _SPELLING[patient_class], name), {})
        kind = _KINDS[match["folder"].lower()]
        if other := kinds.get(kind):
            raise DataError(
                f"{where}: {match.string}",
                f"and {other} have the same name, in two letter cases or two forms of Unicode",
                "remove one of them",
            )
        kinds[kind] = match.string
    return files


def _incomplete(where: str, files: _Files, absent: str) -> DataError:
    """The refusal of an image without its mask, or of a mask without its image."""
    present = PurePosixPath(next(iter(files.values())))
    name = present.name
    return DataError(
        f"{where}: {present.parent.parent / FOLDERS[absent] / name}",
        f"is missing, though {present.parent.name}/{name} is there",
        f"{_RESTORE}, or remove the {'mask' if absent == 'image' else 'image'}",
    )
