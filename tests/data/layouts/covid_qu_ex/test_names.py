"""Which paths are the dataset's, and which folders are misplaced among them."""

import pytest

from covseg.config.data import SPLITS
from covseg.data.layouts.covid_qu_ex.names import (
    FOLDERS,
    PATIENT_CLASSES,
    TREES,
    layout_match,
    misplaced,
)

PREFIX = f"{TREES['infection']}/"
WHOLE = [
    f"{PREFIX}{split}/{patient_class}/{folder}/1.png"
    for split in SPLITS
    for patient_class in PATIENT_CLASSES
    for folder in FOLDERS.values()
]


def renamed(old: str, new: str) -> list[str]:
    """The whole dataset with another name for every folder of that name."""
    return [path.replace(f"/{old}/", f"/{new}/") for path in WHOLE]


def test_nothing_is_misplaced_in_the_dataset_as_it_is():
    assert misplaced(WHOLE, PREFIX) is None
    assert misplaced(map(str.upper, WHOLE), PREFIX.upper()) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("Train", "Trian"), ("Val", "Validation"), ("Test", "Test "), ("COVID-19", "COVID")),
        *(("Non-COVID", "Pneumonia"), ("images", "imgs"), ("infection masks", "infection_masks")),
        ("lung masks", "lung mask"),
    ],
)
def test_a_folder_of_another_name_is_misplaced(old, new):
    assert f"/{new}/" in misplaced(renamed(old, new), PREFIX)


@pytest.mark.parametrize(
    "own",
    [
        f"{PREFIX}Train/Normal/images 2/1.png",
        f"{PREFIX}Train/Normal/heatmaps/1.png",
        f"{PREFIX}Train/Tuberculosis/images/1.png",
    ],
)
def test_a_folder_of_images_inside_a_split_is_never_ignored(own):
    assert misplaced([*WHOLE, own], PREFIX) == own


@pytest.mark.parametrize(
    "own",
    [
        f"{PREFIX}Train (old)/Normal/images/1.png",
        f"{PREFIX}Train/1.png",
        f"{PREFIX}Train/Normal/images/small/1.png",
        f"{PREFIX}Train/Normal/heatmaps/1.jpg",
        "Train/cats/images/1.png",
        "figures/1.png",
        "1.png",
    ],
)
def test_folders_beside_the_splits_and_files_elsewhere_are_ignored(own):
    assert misplaced([*WHOLE, own], PREFIX) is None


@pytest.mark.parametrize(
    "path", ["a.png", "a/b/c/d.png", "Train/cats/images/1.png", "MyTrain/Normal/images/1.png"]
)
def test_other_files_do_not_match(path):
    assert layout_match(path) is None
