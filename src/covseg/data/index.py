"""The index: one validated row per image, whatever folder or archive the files came in.

COVID-QU-Ex has two trees. *Infection Segmentation Data* (5,826 images with infection and lung
masks) is the one that covseg is for; *Lung Segmentation Data* (33,920 images with lung masks only,
the 5,826 among them) is beside it in the full download. An index holds one of them, never both: an
image that is in both would be counted twice, and in different splits.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from covseg.data.layout import (
    FOLDERS,
    PATIENT_CLASSES,
    SPLITS,
    TREES,
    classes_of,
    layout_match,
    misplaced,
)
from covseg.errors import DataError

_SPELLING = {name.lower(): name for name in (*SPLITS, *PATIENT_CLASSES)}
_KINDS = {folder: kind for kind, folder in FOLDERS.items()}
_RESTORE = "restore the file from the original download"

Key = tuple[str, str, str]  # split, class, name
Files = dict[str, str]  # image, infection, lung -> path


@dataclass(frozen=True, order=True)
class Row:
    """One image: where it belongs, and the paths of its files inside the source."""

    split: str
    patient_class: str
    name: str
    image: str
    infection: str | None
    lung: str | None

    @property
    def key(self) -> Key:
        """Split, class and name, which identify an image."""
        return self.split, self.patient_class, self.name

    @property
    def files(self) -> Files:
        """The paths of the image and of the masks that it has."""
        paths = {"image": self.image, "infection": self.infection, "lung": self.lung}
        return {kind: path for kind, path in paths.items() if path is not None}


@dataclass(frozen=True)
class Index:
    """The rows of one tree, sorted by split, class and name; a row's number is its place here."""

    tree: str
    rows: tuple[Row, ...]

    def of_split(self, *splits: str) -> list[int]:
        """The numbers of the rows of these splits, in the order of the table."""
        return [number for number, row in enumerate(self.rows) if row.split in splits]

    def numbers(self) -> dict[Key, int]:
        """The number of each row by the key of its image."""
        return {row.key: number for number, row in enumerate(self.rows)}

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The patient classes, in the order in which they are shown."""
        return classes_of(row.patient_class for row in self.rows)

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by split and class: ``{"Train": {"COVID-19": 1864, ...}, ...}``."""
        counts = Counter((row.split, row.patient_class) for row in self.rows)
        return {s: {c: counts[s, c] for c in self.classes} for s in SPLITS}


def read_index(paths: Iterable[str], targets: Sequence[str], where: str) -> Index:
    """Build the index of the tree that has masks for ``targets``.

    Args:
        paths: all files of the source, relative to it, with ``/`` between the parts.
        targets: what is segmented; ``["lung"]`` prefers the larger tree where it is present.
        where: the source, for error messages.

    Raises:
        DataError: as ``read_files``; an image without a mask that it needs, or a mask without an
            image.
    """
    tree, files = read_files(paths, targets, where)
    required = {"image", tree, *targets}
    for kinds in files.values():
        if absent := required - kinds.keys():
            raise _incomplete(where, kinds, next(k for k in FOLDERS if k in absent))
    return Index(tree, rows_of(files))


def rows_of(files: Mapping[Key, Files]) -> tuple[Row, ...]:
    """The rows of images with their masks, sorted."""
    return tuple(
        Row(*key, kinds["image"], kinds.get("infection"), kinds.get("lung"))
        for key, kinds in sorted(files.items())
    )


def read_files(
    paths: Iterable[str], targets: Sequence[str], where: str
) -> tuple[str, dict[Key, Files]]:
    """The files of each image in the tree that has masks for ``targets``, complete or not.

    The arguments are those of ``read_index``.

    Returns:
        the tree, ``infection`` or ``lung``, and the paths of each image.

    Raises:
        DataError: no file of the layout, a folder that the layout does not have, two copies of the
            tree, or one name written in two ways.
    """
    paths = list(paths)
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
            "set data.root= to the archive of COVID-QU-Ex or the folder that it was unpacked to",
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


def _by_image(matches: list[re.Match[str]], where: str) -> dict[Key, Files]:
    files: dict[Key, Files] = {}
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


def _incomplete(where: str, files: Files, absent: str) -> DataError:
    """The refusal of an image without its mask, or of a mask without its image."""
    present = PurePosixPath(next(iter(files.values())))
    name = present.name
    return DataError(
        f"{where}: {present.parent.parent / FOLDERS[absent] / name}",
        f"is missing, though {present.parent.name}/{name} is there",
        f"{_RESTORE}, or remove the {'mask' if absent == 'image' else 'image'}",
    )
