"""Public datasets, made up in their exact layouts, against their files read independently."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import made_up
from covseg.config import conf
from covseg.config.data import Dataset
from covseg.data.layouts.table import write_table
from covseg.data.listing import Listing
from covseg.data.opening import list_data
from covseg.data.planes import common_size
from covseg.data.store import Store, open_store


def configured(option: str, root: Path, cache: Path, **more: object) -> Dataset:
    """An option of the group data as it stands in ``conf/``, for data at a place."""
    values: dict[str, object] = {"masks": {}, "classes": {}}
    for key, value in conf.option_values("data", option).items():
        _, name, *below = key.split(".", 2)
        if below and isinstance(inner := values[name], dict):
            inner[below[0]] = value
        elif value is not None:
            values[name] = value
    values |= {"root": str(root), "cache_dir": str(cache), **more}
    return Dataset(**values)


@pytest.fixture
def opened(tmp_path):
    def opened(option: str, **more: object) -> tuple[Listing, Store]:
        getattr(made_up, option)(tmp_path / option)
        listing = list_data(configured(option, tmp_path / option, tmp_path / "cache", **more))
        return listing, open_store(listing, tmp_path / "cache")

    return opened


def grey(root: Path, path: str) -> np.ndarray:
    return np.asarray(Image.open(root / path).convert("RGB").convert("L"))


def test_qata_cov19(opened, tmp_path):
    listing, store = opened("qata_cov19")
    assert store.index.counts() == {"Train": {"all": 24}, "Val": {"all": 0}, "Test": {"all": 8}}
    assert store.index.targets == ("infection",)
    assert len(listing.ignored) == 1  # of the control group
    root = tmp_path / "qata_cov19"
    planes = zip(store.index.rows, store.images, store.masks["infection"], strict=True)
    for row, image, mask in planes:
        folder = f"QaTa-COV19/QaTa-COV19-v2/{row.split} Set"
        assert row.image == f"{folder}/Images/{row.name}.png"
        assert np.array_equal(image, grey(root, row.image))
        truth = grey(root, f"{folder}/Ground-truths/mask_{row.name}.png")
        assert len(np.unique(truth)) > 2  # soft edges
        assert np.array_equal(mask, truth >= 128)


def test_montgomery(opened, tmp_path):
    _, store = opened("montgomery")
    assert store.index.counts() == {"all": {"Normal": 12, "Tuberculosis": 12}}
    assert len({row.patient for row in store.index.rows}) == 24
    folder = tmp_path / "montgomery/MontgomerySet"
    for row, mask in zip(store.index.rows, store.masks["lung"], strict=True):
        assert row.patient_class == ("Normal" if row.name.endswith("_0") else "Tuberculosis")
        left, right = (
            grey(folder, f"ManualMask/{s}Mask/{row.name}.png") for s in ("left", "right")
        )
        assert left.any()
        assert right.any()
        assert np.array_equal(mask, (left > 0) | (right > 0))
    assert {image.shape for image in store.images} == {(146, 120), (120, 146)}


def test_shenzhen(opened, tmp_path):
    listing, store = opened("shenzhen")
    assert len(store.index.rows) == 20
    assert listing.n_dropped == 4
    modes = Counter(Image.open(p).mode for p in (tmp_path / "shenzhen").rglob("CXR_png/*.png"))
    assert set(modes) == {"P", "RGB"}
    for row, image in zip(store.index.rows, store.images, strict=True):
        assert np.array_equal(image, grey(tmp_path / "shenzhen", row.image))


def test_images_without_a_mask_are_refused_unless_it_is_said_what_they_mean(opened):
    listing, store = opened("shenzhen", without_mask={"lung": "empty"})
    assert len(store.index.rows) == 24
    assert sum(not mask.any() for mask in store.masks["lung"]) == 4
    listing.check(["lung"])
    refused = list_data(
        configured("shenzhen", Path(str(listing.source.path)), Path(), without_mask="refuse")
    )
    assert len(refused.missing) == 4
    with pytest.raises(Exception, match="has no mask of lung: add it, or set data"):
        refused.check(["lung"])


def test_radiography(opened):
    _, store = opened("radiography")
    classes = ("COVID-19", "Lung opacity", "Normal", "Viral pneumonia")
    assert store.index.counts() == {"all": dict.fromkeys(classes, 8)}
    assert common_size(store.images) == (299, 299)
    assert common_size(store.masks["lung"]) == (256, 256)
    assert store.truth_size(0) == (256, 256)


def test_images_are_stored_smaller_and_masks_at_their_own_size(opened):
    _, store = opened("montgomery", store_size=73)
    assert {image.shape for image in store.images} == {(73, 60), (60, 73)}
    assert {mask.shape for mask in store.masks["lung"]} == {(146, 120), (120, 146)}


def test_a_folder_written_as_a_table_is_the_same_data(opened, tmp_path):
    listing, store = opened("qata_cov19")
    write_table(listing, tmp_path / "rows.csv")
    again = list_data(
        configured("table", tmp_path / "rows.csv", tmp_path / "cache", mask_threshold=128)
    )
    assert again.fingerprint == store.fingerprint
    assert [row.key for row in again.index.rows] == [row.key for row in store.index.rows]


def test_a_zip_is_as_good_as_the_folder(opened, tmp_path):
    _, store = opened("radiography")
    archive = shutil.make_archive(str(tmp_path / "data"), "zip", tmp_path / "radiography")
    listing = list_data(configured("radiography", Path(archive), tmp_path / "cache"))
    assert listing.fingerprint == store.fingerprint
