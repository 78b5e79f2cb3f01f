"""Which paths are the dataset's, and which are nearly."""

import pytest

from covseg.data.layout import TREES, is_dataset, is_picture, misspelt

TREE = TREES["infection"]
WHOLE = [
    f"{TREE}/{split}/{patient_class}/{kind}/1.png"
    for split in ("Train", "Val", "Test")
    for patient_class in ("COVID-19", "Non-COVID", "Normal")
    for kind in ("images", "infection masks", "lung masks")
]


def renamed(old: str, new: str) -> list[str]:
    """The whole dataset, one folder under another name wherever it stands."""
    return [path.replace(f"/{old}/", f"/{new}/") for path in WHOLE]


def test_nothing_is_misspelt_in_the_dataset_as_it_is():
    assert misspelt(WHOLE) is None
    assert misspelt(map(str.upper, WHOLE)) is None
    assert is_dataset(WHOLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("Train", word) for word in ("Trian", "training", "Train ", "TRAIN (1)")),
        *(("Val", word) for word in ("Validation", "valid", "Vall")),
        *(("Test", word) for word in ("Tests", "testing", "Tset")),
        *(("COVID-19", word) for word in ("COVID", "COVID19", "COVID_19", "covid-19 ")),
        *(("Non-COVID", word) for word in ("NonCOVID", "Non_COVID", "non covid")),
        *(("Normal", word) for word in ("Norml", "normals")),
        *(("images", word) for word in ("image", "imgs", "Images ")),
        *(("infection masks", word) for word in ("infection mask", "infection_masks")),
        *(("lung masks", word) for word in ("lung_masks", "lungmasks", "lung mask")),
    ],
)
def test_a_folder_that_is_nearly_right_is_named_with_the_right_name(old, new):
    folder, name = misspelt(renamed(old, new))
    assert (folder.rpartition("/")[2], name) == (new, old)
    assert is_dataset(renamed(old, new))


@pytest.mark.parametrize(
    "own",
    [
        f"{TREE}/Train (old)/Normal/images/1.png",  # the right one stands beside it
        f"{TREE}/Train/Normal/images 2/1.png",
        f"{TREE}/Train/Normal/heatmaps/1.png",
        f"{TREE}/Train/Tuberculosis/images/1.png",
        "figures/1.png",
        "1.png",
    ],
)
def test_what_is_somebodys_own_is_not_misspelt(own):
    assert misspelt([*WHOLE, own]) is None


@pytest.mark.parametrize("paths", [[], ["a.png"], ["a/b/c/d.png"], ["Train/cats/images/1.png"]])
def test_other_files_are_no_dataset(paths):
    assert not is_dataset(paths)


@pytest.mark.parametrize("path", ["a/._1.png", "__MACOSX/a/1.png", "a/1.jpg", "a/1.png/"])
def test_what_is_no_picture(path):
    assert not is_picture(path)
    assert is_picture("a/1.PNG")
