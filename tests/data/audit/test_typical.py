"""An image of another kind is noticed, and hardly any of the same kind."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from covseg.data.audit.files import audit
from covseg.data.audit.typical import GREYS, LAYOUT, TypicalImages
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex
from covseg.data.phantom.dataset import write
from covseg.data.phantom.drawing import draw
from covseg.data.store import Store
from covseg.errors import RunError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    home = tmp_path_factory.mktemp("typical")
    write(home / "dataset", 0, {"Train": 240, "Val": 8, "Test": 120}, size=64)
    return audit(covid_qu_ex(locate(home / "dataset")), home).store


def rows(store: Store, split: str) -> list[int]:
    return [number for number, row in enumerate(store.index.rows) if row.split == split]


@pytest.fixture(scope="module")
def typical(store: Store) -> TypicalImages:
    return TypicalImages.of(store, rows(store, "Train"))


def test_hardly_any_held_out_image_is_unusual(typical, store):
    unusual = [bool(typical.difference(store.images[row])) for row in rows(store, "Test")]
    assert np.mean(unusual) < 0.1


OTHERS = {
    "inverted": (lambda image: 255 - image, LAYOUT),
    "noise": (
        lambda image: np.random.default_rng(0).integers(0, 256, image.shape, np.uint8),
        LAYOUT,
    ),
    "black": (np.zeros_like, LAYOUT),
    "nearly black": (lambda image: image // 12, GREYS),
    "nearly white": (lambda image: 255 - (255 - image) // 12, GREYS),
}


@pytest.mark.parametrize(("changed", "words"), OTHERS.values(), ids=OTHERS)
def test_an_image_of_another_kind_is_noticed(changed, words, typical, store):
    noticed = [words in typical.difference(changed(store.images[r])) for r in rows(store, "Test")]
    assert np.mean(noticed) > 0.95


def test_the_size_of_an_image_hardly_matters(typical):
    large = [draw((9, k), "Normal", 256).image for k in range(40)]
    assert np.mean([LAYOUT in typical.difference(image) for image in large]) < 0.1
    assert np.mean([LAYOUT in typical.difference(255 - image) for image in large]) > 0.95


def test_each_limit_is_the_quantile_of_the_fitting_images(store):
    """By hand: the share of the fitting images that each rule calls unusual."""
    of = rows(store, "Train")
    typical = TypicalImages.of(store, of)
    differences = [typical.difference(store.images[row]) for row in of]
    for words in (LAYOUT, GREYS):
        assert (
            sum(words in text for text in differences) == 2
        )  # of 240, above the 99.5th percentile


def test_it_is_read_back_as_it_was_written(typical, store, tmp_path):
    typical.save(tmp_path / "typical.npz")
    again = TypicalImages.load(tmp_path / "typical.npz")
    for image in (store.images[0], 255 - store.images[0], cv2.blur(store.images[1], (9, 9))):
        assert again.difference(image) == typical.difference(image)


@pytest.mark.parametrize("change", ["cut", "a part less", "another shape", "words"])
def test_a_damaged_file_is_refused(change, typical, tmp_path):
    path = tmp_path / "typical.npz"
    typical.save(path)
    parts = dict(np.load(path))
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-500])
    else:
        if change == "a part less":
            del parts["precision"]
        else:
            parts["mean"] = np.zeros(3) if change == "another shape" else np.array(["a"] * 20)
        np.savez(path, **parts)
    with pytest.raises(RunError, match=r"typical\.npz cannot be read"):
        TypicalImages.load(path)


@pytest.mark.nightly  # decodes the whole archive
@pytest.mark.real
def test_of_the_real_test_split_hardly_any_is_unusual(real_archive: Path, phantom_cache: Path):
    """The shares that the module states."""
    store = audit(covid_qu_ex(locate(real_archive)), phantom_cache).store
    typical = TypicalImages.of(store, rows(store, "Train"))
    images = [store.images[row] for row in rows(store, "Test")]
    assert np.mean([bool(typical.difference(i)) for i in images]) == pytest.approx(0.013, abs=0.002)
    some = images[::10]
    assert np.mean([LAYOUT in typical.difference(255 - image) for image in some]) > 0.98
    assert np.mean([bool(typical.difference(np.rot90(i, 2))) for i in some]) > 0.6
