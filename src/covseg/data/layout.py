"""The layout of COVID-QU-Ex: which paths are its files, and which are nearly.

``<anything>/Train/COVID-19/infection masks/covid_1.png``, whatever the letter case of the folders.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import get_args

from covseg.config.data import Split

SPLITS: tuple[Split, ...] = get_args(Split)
PATIENT_CLASSES = ("COVID-19", "Non-COVID", "Normal")
TREES = {"infection": "Infection Segmentation Data", "lung": "Lung Segmentation Data"}
KINDS = {"images": "image", "infection masks": "infection", "lung masks": "lung"}  # by folder
LEVELS: tuple[tuple[str, ...], ...] = (SPLITS, PATIENT_CLASSES, tuple(KINDS))
# images by split and class that the authors count (Tahir et al., 2021)
PUBLISHED = {
    "Train": {"COVID-19": 1864, "Non-COVID": 932, "Normal": 932},
    "Val": {"COVID-19": 466, "Non-COVID": 233, "Normal": 233},
    "Test": {"COVID-19": 583, "Non-COVID": 292, "Normal": 291},
}
# the same of the other tree, of which they count 33,920
PUBLISHED_LUNG = {
    "Train": {"COVID-19": 7658, "Non-COVID": 7208, "Normal": 6849},
    "Val": {"COVID-19": 1903, "Non-COVID": 1802, "Normal": 1712},
    "Test": {"COVID-19": 2395, "Non-COVID": 2253, "Normal": 2140},
}
LARGEST = 64 * 2**20  # bytes of a file; a PNG of the largest image that is read has 17 MiB

_LAYOUT = re.compile(
    rf"(?P<prefix>.*?)(?P<split>{'|'.join(SPLITS)})/(?P<patient_class>{'|'.join(PATIENT_CLASSES)})"
    rf"/(?P<folder>{'|'.join(KINDS)})/(?P<name>[^/]+\.png)",
    re.IGNORECASE | re.DOTALL,
)


def is_picture(path: str) -> bool:
    """Whether a path is that of a PNG, and not a Mac's notes on one."""
    return path.lower().endswith(".png") and not path.startswith("__MACOSX/") and "/._" not in path


def layout_match(path: str) -> re.Match[str] | None:
    """The parts of a path that follows the dataset's layout, None for every other file."""
    return _LAYOUT.fullmatch(path) if is_picture(path) else None


def is_dataset(paths: Sequence[str]) -> bool:
    """Whether these files are the dataset's, even if a folder's name is not quite right."""
    return any(map(layout_match, paths)) or misspelt(paths) is not None


def misspelt(paths: Iterable[str]) -> tuple[str, str] | None:
    """The first folder that is nearly one of the layout, and the name that it should have.

    A folder that stands beside the one that it resembles, as ``Train (old)`` beside ``Train``, is
    somebody's own.
    """
    folders = sorted({path.rpartition("/")[0] for path in paths if is_picture(path)})
    inside: dict[str, set[str]] = defaultdict(set)  # folder -> folders in it, in lower case
    for folder in folders:
        parts = folder.split("/")
        for depth in range(max(0, len(parts) - len(LEVELS)), len(parts)):
            inside["/".join(parts[:depth])].add(parts[depth].lower())
    for folder in folders:
        parts = folder.split("/")
        first = len(parts) - len(LEVELS)
        if first < 0:
            continue
        meant = [
            _meant(parts[first + n], names, inside["/".join(parts[: first + n])])
            for n, names in enumerate(LEVELS)
        ]
        if meant.count("") < len(LEVELS) and "" in meant and None not in meant:
            level, name = next((n, name) for n, name in enumerate(meant) if name)
            return "/".join(parts[: first + level + 1]), name
    return None


def _meant(name: str, choices: Sequence[str], beside: set[str]) -> str | None:
    """The choice that a folder's name resembles, "" where it is one, None where it resembles none.

    Only names that are missing beside the folder can be meant.
    """
    word, names = name.lower(), {choice.lower(): choice for choice in choices}
    if word in names:
        return ""
    missing = [choice for choice in names if choice not in beside]
    close = difflib.get_close_matches(word, missing, n=1)  # errors.nearest looks at the letter case
    close += [choice for choice in missing if choice in word or (word in choice and len(word) > 2)]
    return names[close[0]] if close else None
