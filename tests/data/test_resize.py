"""The square that a network takes, and the way back from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.resize import Square, shrunk

SIDES = st.integers(8, 400)


@settings(max_examples=200, deadline=None)
@given(height=SIDES, width=SIDES, side=st.integers(8, 128))
def test_padding_keeps_proportions_within_a_pixel(height, width, side):
    rows, columns = Square(side, pad=True).part((height, width))
    assert 0 <= rows.start < rows.stop <= side
    assert 0 <= columns.start < columns.stop <= side
    inner = rows.stop - rows.start, columns.stop - columns.start
    assert max(inner) == side
    scale = side / max(height, width)
    assert abs(inner[0] - height * scale) <= max(0.5, 1 - height * scale)
    assert abs(inner[1] - width * scale) <= max(0.5, 1 - width * scale)
    above, below = rows.start, side - rows.stop
    assert abs(above - below) <= 1


def test_a_padded_image_is_black_beside_itself():
    image = np.full((100, 50), 200, np.uint8)
    square = Square(40, pad=True)
    padded = square.image(image, (100, 50))
    assert padded[:, 10:30].min() == 200
    assert padded[:, :10].max() == padded[:, 30:].max() == 0
    stretched = Square(40).image(image, (100, 50))
    assert stretched.min() == 200


def test_image_and_mask_of_other_sizes_lie_at_one_place():
    """As 256 beside 299 pixels: the size of the truth decides."""
    image, mask = np.zeros((299, 150), np.uint8), np.zeros((256, 128), np.uint8)
    image[100:200, 50:100], mask[86:171, 43:85] = 255, 1
    square = Square(64, pad=True)
    resized = square.image(image, (256, 128)) > 127
    assert (resized != (square.mask(mask) > 0)).mean() < 0.02


@pytest.mark.parametrize(("longest", "shape"), [(None, (90, 40)), (90, (90, 40)), (45, (45, 20))])
def test_an_image_is_shrunk_to_its_longer_side(longest, shape):
    assert shrunk(np.zeros((90, 40), np.uint8), longest).shape == shape
