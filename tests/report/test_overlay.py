"""The overlay: the image where nothing is predicted, colour and outline where something is."""

import numpy as np
import pytest

from covseg.report.colours import PREDICTION
from covseg.report.overlay import overlay


@pytest.mark.parametrize("shape", [(8, 8), (64, 48), (300, 500)])
def test_without_probability_the_image_stays_as_it_is(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    picture = overlay(image, np.zeros(shape, np.float32), 0.5)
    assert picture.shape[0] == shape[0]
    assert picture.shape[1] > shape[1]
    assert np.array_equal(picture[:, : shape[1]], np.repeat(image[..., None], 3, axis=2))


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture has a colour, but for the smoothing of lines."""
    return np.abs(picture.astype(int) - colour).max(axis=2) < 40


def test_a_region_is_tinted_and_outlined():
    image = np.full((64, 64), 100, np.uint8)
    probability = np.zeros((64, 64), np.float32)
    probability[16:48, 16:48] = 0.9
    picture = overlay(image, probability, 0.5)[:, :64]
    grey = (picture == picture[..., :1]).all(axis=2)
    assert grey[:14].all()
    assert grey[:, 50:].all()
    assert not grey[20:44, 20:44].any()
    outline = near(picture, PREDICTION)
    assert outline[16, 20:44].all()
    assert not outline[20:44, 20:44].any()
    above = overlay(image, probability, 0.95)[:, :64]
    assert not near(above, PREDICTION).any()
