"""The layout of COVID-QU-Ex: which paths are its files.

``<anything>/Train/COVID-19/infection masks/covid_1.png``, whatever the letter case of the folders.
"""

import re
from collections.abc import Iterable

from covseg.config.data import SPLITS

PATIENT_CLASSES = ("COVID-19", "Non-COVID", "Normal")
POSITIVE_CLASS = "COVID-19"  # all of its images have an infection, and no others
TREES = {"infection": "Infection Segmentation Data", "lung": "Lung Segmentation Data"}
FOLDERS = {"image": "images", "infection": "infection masks", "lung": "lung masks"}
LEVELS: tuple[tuple[str, ...], ...] = (SPLITS, PATIENT_CLASSES, tuple(FOLDERS.values()))
FILE_NAMES = {  # the convention of the authors
    "COVID-19": re.compile(r"covid_\d+\.png"),
    "Non-COVID": re.compile(r"non_COVID \(\d+\)\.png"),
    "Normal": re.compile(r"Normal \(\d+\)\.png"),
}
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

_LAYOUT = re.compile(
    rf"(?P<prefix>(?:.*/)?)(?P<split>{'|'.join(SPLITS)})"
    rf"/(?P<patient_class>{'|'.join(PATIENT_CLASSES)})"
    rf"/(?P<folder>{'|'.join(FOLDERS.values())})/(?P<name>[^/]+\.png)",
    re.IGNORECASE | re.DOTALL,
)


def classes_of(names: Iterable[str]) -> tuple[str, ...]:
    """The classes of records in the order in which they are shown.

    COVID-QU-Ex has all of its own, in its own order, with or without images of each; the classes of
    other data are in alphabetical order.
    """
    found = set(names)
    return PATIENT_CLASSES if found <= set(PATIENT_CLASSES) else tuple(sorted(found))


def layout_match(path: str) -> re.Match[str] | None:
    """The parts of a path that follows the dataset's layout, None for every other file."""
    return _LAYOUT.fullmatch(path)


def misplaced(paths: Iterable[str], prefix: str) -> str | None:
    """The first PNG as deep as the dataset's in a folder that the layout does not have.

    A folder beside the splits, such as ``Train (old)``, is ignored unless a split is missing.

    Args:
        paths: all files.
        prefix: the folder of the splits, with a ``/`` at its end, or empty.
    """
    below = sorted(path for path in paths if path.startswith(prefix))
    pictures = [path for path in below if path.lower().endswith(".png")]
    deep = [path for path in pictures if path.count("/") == prefix.count("/") + len(LEVELS)]
    splits = {split.lower() for split in SPLITS}
    present = {path.removeprefix(prefix).partition("/")[0].lower() for path in deep}
    for path in deep:
        split, _, rest = path.removeprefix(prefix).partition("/")
        is_split = split.lower() in splits or (splits - present and layout_match(f"Train/{rest}"))
        if is_split and not layout_match(path):
            return path
    return None
