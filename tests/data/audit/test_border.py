"""The border says nothing of the lungs, not even where they are."""

import numpy as np

from covseg.data.audit.border import CELLS, DEEP, N_CELLS, borders
from covseg.data.store import Store
from listings import official, row


def of(images: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    rows = tuple(
        row("Train", "Normal", f"{n}.png", "image", "mask", "lung") for n in range(len(images))
    )
    masks = {"infection": np.zeros_like(images), "lung": lungs}
    return borders(Store(official(rows), "", images, masks))


def test_cells_are_means_of_their_pixels():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 64, 64), np.uint8)
    found = of(images, np.zeros_like(images))
    assert found.shape == (2, N_CELLS) == (2, CELLS**2 - (CELLS - 2 * DEEP) ** 2)
    cells = images.reshape(2, CELLS, 4, CELLS, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(found[:, :CELLS], cells[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found[:, -CELLS:], cells[:, -1], rtol=1e-5)


def test_what_the_lungs_show_and_where_they_are_changes_nothing():
    images = np.full((3, 80, 48), 50, np.uint8)
    lungs = np.zeros_like(images)
    lungs[0, 5:70, 2:20], lungs[1, 10:75, 30:47] = 1, 1
    images[0][lungs[0] == 1], images[1][lungs[1] == 1] = 255, 3
    np.testing.assert_allclose(of(images, lungs), 50, rtol=1e-5)


def test_an_image_that_is_all_lung_has_a_border_too():
    images = np.full((1, 64, 64), 9, np.uint8)
    assert not of(images, np.ones_like(images)).any()
