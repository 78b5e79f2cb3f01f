"""Pictures are small, outlined where the mask is, and stand inside the page."""

import base64

import cv2
import numpy as np
import pytest

from covseg.report.colours import TRUTH
from covseg.report.html.thumbnails import embedded, outlined, outlines, side_by_side


@pytest.mark.parametrize(
    ("shape", "small"),
    [((64, 64), (64, 64)), ((1024, 512), (256, 128)), ((8, 4096), (1, 256))],
)
def test_a_picture_has_at_most_256_pixels_and_its_shape(shape, small):
    image = np.zeros(shape, np.uint8)
    picture = outlined(image, outlines(np.ones_like(image), image))
    assert picture.shape == (*small, 3)
    assert picture.dtype == np.uint8


def test_outlines_run_along_the_masks_and_nowhere_else():
    image = np.full((64, 64), 100, np.uint8)
    infection, lung = np.zeros((2, 64, 64), np.uint8)
    infection[20:40, 20:40], lung[10:50, 10:50] = 1, 1
    picture = outlined(image, outlines(infection, lung))
    assert tuple(picture[20, 30]) == TRUTH
    assert (picture[10, 30] > 200).all()  # a thin line, smoothed
    assert tuple(picture[30, 30]) == tuple(picture[5, 5]) == (100, 100, 100)
    np.testing.assert_array_equal(outlined(image), 100)


def test_two_pictures_stand_side_by_side():
    left, right = np.zeros((9, 5, 3), np.uint8), np.full((9, 7, 3), 255, np.uint8)
    both = side_by_side(left, right)
    assert both.shape[0] == 9
    assert (both[:, :5] == 0).all()
    assert (both[:, -7:] == 255).all()


def test_an_address_holds_the_picture_itself():
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 200
    head, data = embedded(picture).split(",")
    assert head == "data:image/webp;base64"
    read = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(read[..., ::-1].astype(int) - picture).max() < 12
