"""Patterns find every image with its masks, in a folder as in an archive, or are refused."""

import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covseg.config.data import Dataset
from covseg.data.layouts.folder import folder
from covseg.data.listing import Listing
from covseg.data.store import open_store
from covseg.errors import ConfigError, DataError, DataMissing
from listings import write_square

SIDE = 16
LEFT_RIGHT = ["left/{name}.png", "right/{name}.png"]
Listed = Callable[..., Listing]


def zipped(root: Path) -> Path:
    """The files of a folder as an archive beside it, in another order."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            archive.write(file, file.relative_to(root))
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Three images with their masks, in two folders each."""
    root = tmp_path / "own"
    for n, name in enumerate(("a", "b", "c")):
        write_square(root / f"images/{name}.png", 50 + n)
        write_square(root / f"left/{name}.png", 255)
        write_square(root / f"right/{name}.png", 255, left=9)
    return root


@pytest.fixture
def listed(own: Path) -> Listed:
    """Options -> what is listed."""

    def make(root: Path = own, **more: Any) -> Listing:
        values = {"images": "images/*.png", "masks": {"lung": LEFT_RIGHT}}
        places = {"root": str(root), "cache_dir": str(own.parent / "cache")}
        return folder(Dataset(name="folder", layout="folder", **places, **values | more))

    return make


@pytest.fixture
def refused(listed: Listed) -> Callable[..., str]:
    """Options -> the sentence that refuses them."""

    def make(**more: Any) -> str:
        with pytest.raises((ConfigError, DataError)) as caught:
            listed(**more)
        return str(caught.value)

    return make


# --- what is found


def test_a_mask_in_two_files_is_both(listed, own, tmp_path):
    listing = listed()
    assert [row.key for row in listing.index.rows] == [("all", "all", name) for name in "abc"]
    assert listing.index.rows[1].masks == {"lung": ("left/b.png", "right/b.png")}
    assert listing.index.targets == ("lung",)
    assert listing.ignored == listing.missing == ()
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[4:8, 4:8] = expected[4:8, 9:13] = 1
    store = open_store(listing, tmp_path / "cache")
    assert all(np.array_equal(mask, expected) for mask in store.masks["lung"])


def test_an_archive_is_the_folder_that_was_packed(listed, own):
    one, other = listed(), listed(zipped(own))
    assert other.index == one.index
    assert other.ignored == one.ignored
    assert other.fingerprint == one.fingerprint


def test_several_targets_have_patterns_of_their_own(listed):
    masks = {"infection": "left/{name}.png", "lung": "right/{name}*", "heart": None}
    listing = listed(masks=masks)
    assert listing.index.targets == ("infection", "lung")
    assert listing.index.lesion == "infection"
    expected = {"infection": ("left/c.png",), "lung": ("right/c.png",)}
    assert listing.index.rows[2].masks == expected


def test_fields_lead_to_splits_classes_and_patients(listed, tmp_path):
    root = tmp_path / "more"
    for place in ("training/1/p1/x", "validation/0/p2/x", "Test/0/p3/x", "training/0/p1/y"):
        write_square(root / f"images/{place}.png", 60)
        write_square(root / f"masks/{place}_mask.png", 255)
    listing = listed(
        root,
        images="images/{split}/{patient_class}/{patient}/{name}.png",
        masks={"lung": "masks/{split}/{patient_class}/{patient}/{name}_*.png"},
        without_mask="drop",
        classes={"0": "Normal", "1": "Tuberculosis"},
    )
    keys = [row.key for row in listing.index.rows]
    assert keys == [
        *(("Test", "Normal", "x"), ("Train", "Normal", "y")),
        *(("Train", "Tuberculosis", "x"), ("Val", "Normal", "x")),
    ]
    assert [row.patient for row in listing.index.rows] == ["p3", "p1", "p1", "p2"]
    assert listing.index.rows[1].masks == {"lung": ("masks/training/0/p1/y_mask.png",)}


def test_a_mask_may_be_in_any_folder_with_the_fields_of_its_image(listed, own):
    for name in "abc":
        write_square(own / f"annotators/{name}x/2024/{name}_final.png", 255)
    listing = listed(masks={"lung": "annotators/**/{name}_*.png"})
    assert listing.index.rows[0].masks == {"lung": ("annotators/ax/2024/a_final.png",)}


def test_covid_1_never_gets_the_mask_of_covid_10(listed, own):
    for n in (1, 10, 100):
        write_square(own / f"images/covid_{n}.png", n)
        write_square(own / f"masks/covid_{n}_mask.png", 255)
    listing = listed(images="images/covid_*.png", masks={"lung": "masks/{name}*"})
    masks = {row.name: row.masks["lung"] for row in listing.index.rows}
    assert masks == {f"covid_{n}": (f"masks/covid_{n}_mask.png",) for n in (1, 10, 100)}


def test_pictures_that_belong_to_no_image_are_named(listed, own):
    write_square(own / "left/z.png", 255)
    write_square(own / "control.png", 50)
    (own / "notes.txt").touch()
    (own / "images/Thumbs.db").touch()
    assert listed().ignored == ("control.png",)
    assert listed().unmatched == ("left/z.png",)


# --- what decides whether it is the same data


def test_rules_of_pixels_are_part_of_the_fingerprint(listed):
    rules = ({}, {"mask_threshold": 128}, {"mask_values": {"lung": [255]}}, {"store_size": 8})
    assert len({listed(**rule).fingerprint for rule in rules}) == len(rules)
    assert listed().fingerprint == listed(classes={"x": "y"}).fingerprint


def test_another_mask_is_other_data(listed, own):
    before = listed().fingerprint
    shutil.copy(own / "left/a.png", own / "right/a.png")
    assert listed().fingerprint != before


def test_a_target_without_any_mask_leaves_the_store_of_the_others_usable(listed, tmp_path):
    """Protects: a second configuration of the same files does not find a damaged store."""
    for nothing in ({}, {"infection": "none/{name}.png"}):
        listing = listed(masks={"lung": LEFT_RIGHT, **nothing})
        listing.check(["lung"])
        store = open_store(listing, tmp_path / "cache")
        assert all(mask.any() for mask in store.masks["lung"])
        assert not any(mask.any() for of in nothing for mask in store.masks[of])


# --- images without a mask


def test_an_image_without_a_mask_is_refused_with_its_file(listed, own):
    for side in ("left", "right"):
        (own / side / "b.png").unlink()
    with pytest.raises(DataError) as caught:
        listed().check(["lung"])
    assert str(caught.value).startswith(f"{own}: images/b.png has no mask of lung: add it, or set")


def test_an_image_without_a_mask_is_dropped_and_counted(listed, own):
    for side in ("left", "right"):
        (own / side / "b.png").unlink()
    listing = listed(without_mask="drop")
    assert [row.name for row in listing.index.rows] == ["a", "c"]
    assert listing.n_dropped == 1


def test_an_image_without_a_mask_has_nothing_to_mark(listed, own, tmp_path):
    for side in ("left", "right"):
        (own / side / "b.png").unlink()
    listing = listed(without_mask={"lung": "empty"})
    listing.check(["lung"])
    masks = open_store(listing, tmp_path / "cache").masks["lung"]
    assert [mask.any() for mask in masks] == [True, False, True]


def test_half_a_mask_is_not_an_empty_one(listed, own, tmp_path):
    """Protects: where the right lung is missing, the left one does not vanish silently."""
    (own / "right" / "b.png").unlink()
    try:
        listing = listed(without_mask={"lung": "empty"})
        listing.check(["lung"])
    except DataError as error:
        assert "b.png" in error.sentence  # noqa: PT017 - both ends are right
    else:
        assert open_store(listing, tmp_path / "cache").masks["lung"][1].any()


# --- what is refused


def test_two_masks_of_one_image_are_named_both(refused, own):
    write_square(own / "left/b_2.png", 255)
    sentence = refused(masks={"lung": "left/{name}*"})
    assert sentence.startswith("left/b.png and left/b_2.png both match data.masks.lung=left/{name}")
    assert "for the image b: set a pattern that only one of them matches" in sentence


def test_a_pattern_without_an_image_names_a_picture_that_is_there(refused, own):
    sentence = refused(images="image/*.png")
    assert sentence.startswith(f"{own} has no picture that matches data.images=image/*.png")
    assert "(there is images/a.png, for example): set data.images to a pattern" in sentence


def test_a_folder_without_pictures_is_refused(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "it has no picture at all" in refused(root=tmp_path / "empty")


def test_masks_among_the_images_are_refused(refused):
    sentence = refused(images="**/*.png", masks={"lung": "left/{name}.png"})
    assert "left/a.png matches data.images, and is a mask of another image" in sentence
    assert sentence.endswith("set data.images to a pattern that leaves masks out.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"images": None}, "data.images is not given: set data.images='images/*'"),
        ({"masks": {}}, "data.masks is empty: set data.masks.infection='masks/{name}*'"),
        ({"masks": {"lung": None}}, "data.masks is empty: set data.masks."),
        (
            {"masks": {"lung": ["left/{name}.png", "right/*.png"]}},
            "data.masks.lung=right/*.png has no {name}, so that every image would have the same",
        ),
        ({"images": "{nam}.png"}, "data.images={nam}.png has the field {nam}"),
        ({"masks": {"lung": "{nme}.png"}}, "data.masks.lung={nme}.png has the field {nme}"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_by_its_key(options, words, refused):
    assert refused(**options).startswith(words)


def test_a_name_of_two_images_is_refused_with_both(refused, tmp_path):
    for patient in ("p1", "p2"):
        write_square(tmp_path / f"more/{patient}/x.png", 50)
    sentence = refused(root=tmp_path / "more", images="*/{name}.png", masks={"lung": "m/{name}"})
    assert "more: p2/x.png has the name of " in sentence
    assert "more: p1/x.png (all/all/x): give each image a name of its own" in sentence


def test_a_folder_that_is_a_split_for_some_and_not_for_others_is_refused(refused, tmp_path):
    for place in ("Train", "trial"):
        write_square(tmp_path / f"more/{place}/x.png", 50)
    sentence = refused(
        root=tmp_path / "more", images="{split}/{name}.png", masks={"lung": "m/{name}"}
    )
    assert "trial/x.png has the split trial, which covseg does not know" in sentence


def test_every_image_dropped_is_refused(refused):
    sentence = refused(masks={"lung": "none/{name}.png"}, without_mask="drop")
    assert "has no image with a mask of lung: set data.without_mask=refuse" in sentence


def test_a_root_that_is_nothing_or_no_archive_is_refused(listed, tmp_path):
    with pytest.raises(DataMissing, match=r"does not exist: set data\.root= to the folder or zip"):
        listed(tmp_path / "nothing")
    (tmp_path / "data.zip").write_text("no archive")
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        listed(tmp_path / "data.zip")


# --- how long it takes


def seconds(listed: Listed, path: Path, n_images: int) -> float:
    """To list an archive of this many images with a mask each."""
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(n_images):
            archive.writestr(f"set/images/covid_{n}.png", "")
            archive.writestr(f"set/masks/covid_{n}_mask.png", "")
    start = time.process_time()
    listing = listed(path, images="**/images/*.png", masks={"lung": "**/masks/{name}_mask.png"})
    assert len(listing.index.rows) == n_images
    return time.process_time() - start


def test_eight_times_as_many_images_take_eight_times_as_long(listed, tmp_path):
    """Protects: 21,165 images are listed in seconds, because no image looks at all others."""
    few = min(seconds(listed, tmp_path / "few.zip", 500) for _ in range(2))
    assert seconds(listed, tmp_path / "many.zip", 4000) < 40 * few  # were it quadratic, 64


def test_an_image_never_has_the_mask_of_another(listed, own):
    """Protects: b's own mask is missing, and {name}* takes that of b_2."""
    write_square(own / "images/b_2.png", 51)
    (own / "left/b.png").rename(own / "left/b_2.png")
    with pytest.raises(DataError, match=r"b_2\.png has the mask of .*b\.png"):
        listed(masks={"lung": "left/{name}*"})


def test_endings_and_accents_may_be_written_in_two_ways(listed, own):
    """Protects: a camera writes .PNG, and a Mac writes an accent as a character of its own."""
    write_square(own / "images/\u00e9.PNG", 51)
    write_square(own / "left/e\u0301.png", 255)
    listing = listed(masks={"lung": "left/{name}.png"})
    assert [row.name for row in listing.index.rows] == ["a", "b", "c", "\u00e9"]
    listing.check(["lung"])


def test_a_text_among_the_images_is_no_image(listed, own):
    (own / "images/LICENSE").write_text("free")
    assert len(listed(images="images/*").index.rows) == 3
    assert listed(images="images/*").ignored == ("images/LICENSE",)


def test_a_pattern_is_relative_to_the_root(listed):
    assert len(listed(images="./images/*").index.rows) == 3
    with pytest.raises(ConfigError, match=r"begins with /: write it relative to data\.root"):
        listed(images="/own/images/*")


def test_a_target_with_the_name_of_a_column_is_refused():
    with pytest.raises(ConfigError, match=r"data\.masks\.split has the name of a column"):
        Dataset(name="f", layout="folder", masks={"split": "left/{name}.png"}, cache_dir="c")
