"""Images and masks at other sizes are those of an independent computation."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.resize import Square, resize_image, resize_mask, shrunk

SIZE = st.tuples(st.integers(1, 200), st.integers(1, 200))


def drawn(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


@pytest.mark.parametrize(
    ("size", "interpolation"),
    [
        ((20, 30), cv2.INTER_AREA),
        ((50, 61), cv2.INTER_LINEAR),
        ((20, 61), cv2.INTER_LINEAR),
        ((40, 30), cv2.INTER_LINEAR),
    ],
)
def test_an_image_shrinks_by_area_and_grows_bilinearly(size, interpolation):
    image = drawn((40, 60))
    expected = cv2.resize(image, size[::-1], interpolation=interpolation)
    assert np.array_equal(resize_image(image, size), expected)


def below(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels below the centres of new ones, and whether a centre is on no edge of two."""
    doubled = (2 * np.arange(new) + 1) * old
    return doubled // (2 * new), doubled % (2 * new) != 0


@settings(max_examples=50, deadline=None)
@given(SIZE, SIZE)
def test_every_pixel_of_a_resized_mask_is_the_one_below_its_centre(before, after):
    mask = drawn(before) & 1
    (rows, clear_rows), (columns, clear_columns) = map(below, before, after)
    clear = np.ix_(clear_rows, clear_columns)
    assert np.array_equal(resize_mask(mask, after)[clear], mask[np.ix_(rows, columns)][clear])


def test_a_plane_of_this_size_stays_as_it_is():
    image = drawn((9, 7))
    assert resize_image(image, (9, 7)) is image
    assert resize_mask(image, (9, 7)) is image
    assert shrunk(image, 9) is image
    assert shrunk(image, None) is image


@settings(max_examples=50, deadline=None)
@given(SIZE, st.integers(1, 200))
def test_a_shrunk_image_has_its_proportions(size, longest):
    small = shrunk(drawn(size), longest)
    assert max(small.shape) == min(longest, max(size))
    for side, of_small in zip(size, small.shape, strict=True):
        exact = min(1, longest / max(size)) * side
        assert of_small == 1 or of_small == pytest.approx(exact, abs=0.5 + 1e-9)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_shrunk_pixel_is_the_mean_of_those_below_it(factor):
    image = drawn((30, 60))
    blocks = image.reshape(30 // factor, factor, 60 // factor, factor).mean(axis=(1, 3))
    assert np.abs(shrunk(image, 60 // factor) - blocks).max() <= 0.5 + 1e-6


@settings(max_examples=40, deadline=None)
@given(SIZE, st.integers(8, 100))
def test_stretching_is_resizing(size, side):
    image = drawn(size)
    how = cv2.INTER_AREA if min(size) > side else cv2.INTER_LINEAR
    expected = image if size == (side, side) else cv2.resize(image, (side, side), interpolation=how)
    assert np.array_equal(Square(side).image(image, size), expected)
    mask = image & 1
    nearest = cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(Square(side).mask(mask), nearest)


@settings(max_examples=40, deadline=None)
@given(SIZE, st.integers(8, 100))
def test_a_padded_image_is_the_resized_one_in_black(size, side):
    image = drawn(size) | 1
    square = Square(side, pad=True)
    padded = square.image(image, size)
    part = square.part(size)
    assert padded.shape == (side, side)
    assert np.array_equal(padded[part], resize_image(image, padded[part].shape))
    assert padded.sum(dtype=int) == padded[part].sum(dtype=int)


@settings(max_examples=30, deadline=None)
@given(st.tuples(st.integers(20, 200), st.integers(20, 200)), st.integers(64, 128))
def test_a_padded_mask_that_is_cropped_has_its_share_of_height_and_width(size, side):
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2, : size[1] // 2] = 1
    square = Square(side, pad=True)
    part = square.mask(mask)[square.part(size)]
    for axis in (0, 1):
        share, expected = part.any(axis=axis).mean(), mask.any(axis=axis).mean()
        assert share == pytest.approx(expected, abs=1 / part.shape[1 - axis])


def test_an_image_that_is_kept_smaller_lies_over_its_mask():
    """Masks keep their size on disk; the image may be shrunk to one of other rounding."""
    mask = np.zeros((401, 489), np.uint8)
    mask[100:300, 50:200] = 1
    square = Square(64, pad=True)
    seen = square.image(shrunk(mask * np.uint8(255), 100), mask.shape) > 127
    expected = square.mask(mask) > 0
    assert 2 * (seen & expected).sum() / (seen.sum() + expected.sum()) > 0.97
