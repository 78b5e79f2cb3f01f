"""A picture is decoded to the last bit, or a sentence says what it is."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from covseg.data.image import decode, decode_mask
from covseg.errors import DataError

GREY = np.arange(32 * 24, dtype=np.uint8).reshape(24, 32)


def png(pixels: np.ndarray, kind: str = "PNG", **more) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **more)
    return file.getvalue()


def refusal(data: bytes, read=decode) -> str:
    with pytest.raises(DataError) as caught:
        read(data, "here.png")
    assert caught.value.sentence.startswith("here.png ")
    return caught.value.sentence


def black(size: int = 32) -> np.ndarray:
    return np.zeros((size, size), np.uint8)


def test_pixels_are_those_that_were_saved():
    assert np.array_equal(decode(png(GREY), "here.png"), GREY)


@pytest.mark.parametrize("side", [8, 4096])
def test_the_smallest_and_the_largest_side_are_read(side):
    assert decode(png(np.zeros((side, 8), np.uint8)), "here.png").shape == (side, 8)


@pytest.mark.parametrize("side", [1, 7, 4097])
def test_a_side_beyond_them_is_named(side):
    assert f"has 8x{side} pixels" in refusal(png(np.zeros((side, 8), np.uint8)))


@pytest.mark.parametrize("kind", ["JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_another_format_is_refused(kind):
    assert "is not a PNG image" in refusal(png(GREY, kind))


def test_an_animation_is_refused():
    moves = png(GREY, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    assert "is an animation, not 8-bit grey" in refusal(moves)


def test_an_animation_of_one_picture_is_a_picture():
    assert np.array_equal(decode(png(GREY, save_all=True), "here.png"), GREY)


def test_a_text_that_inflates_without_end_is_refused():
    """Protects: memory; Pillow counts what it inflates."""
    info = PngInfo()
    info.add_text("comment", "x" * 10**8, zip=True)
    assert "is not a readable image" in refusal(png(GREY, pnginfo=info))


def test_a_mask_is_zero_and_one():
    mask = black()
    mask[8:20, 8:20] = 255
    assert np.array_equal(decode_mask(png(mask), "here.png"), mask // 255)
    assert not decode_mask(png(black()), "here.png").any()


def test_a_mask_of_ones_is_told_from_one_with_a_stray_value():
    mask = black()
    mask[8:20, 8:20] = 1
    assert "is a mask of 0 and 1, not 0 and 255" in refusal(png(mask), decode_mask)
    mask[9, 9] = 255
    assert "(such as 1)" in refusal(png(mask), decode_mask)


@pytest.mark.parametrize("width", [15, 16, 17])
def test_a_mask_is_swapped_where_most_of_its_edge_is_white(width):
    mask = black()
    mask[:, :width] = 255  # 15 columns: 60 of 124 pixels; 16: 62, just half; 17: 64
    if width <= 16:
        assert decode_mask(png(mask), "here.png").any()
    else:
        assert "as if black and white were swapped" in refusal(png(mask), decode_mask)
