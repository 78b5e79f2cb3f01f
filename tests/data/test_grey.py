"""Every kind of image file and array becomes 8-bit grey; anything else is refused by its name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from covseg.data.grey import to_grey
from covseg.errors import DataError

SIDES = (48, 40)  # height and width


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, SIDES, np.uint8)
    image[0, :2] = 0, 255
    return image


def wide(image: np.ndarray, factor: int = 257) -> np.ndarray:
    return image.astype(np.uint16) * factor


def of_ramp(image: np.ndarray) -> Image.Image:
    """With a palette that runs the other way round than its indices."""
    picture = Image.fromarray(255 - image).convert("L")
    picture.putpalette([v for grey in range(255, -1, -1) for v in (grey,) * 3])
    return picture


SAVED = {
    "8 bits.png": Image.fromarray,
    "8 bits.bmp": Image.fromarray,
    "8 bits.tif": Image.fromarray,
    "16 bits.png": lambda image: Image.fromarray(wide(image)),
    "16 bits.tiff": lambda image: Image.fromarray(wide(image)),
    "colour.png": lambda image: Image.fromarray(image).convert("RGB"),
    "colour.bmp": lambda image: Image.fromarray(image).convert("RGB"),
    "transparent.png": lambda image: Image.fromarray(
        np.stack([image, image, image, 255 - image], axis=-1)
    ),
    "grey and transparent.png": lambda image: Image.merge(
        "LA", [Image.fromarray(image), Image.fromarray(255 - image)]
    ),
    "palette.png": of_ramp,
    "palette.bmp": of_ramp,
}


@pytest.mark.parametrize("name", SAVED)
def test_a_file_is_read_whatever_it_is_coded_as(name, plain, tmp_path):
    SAVED[name](plain).save(tmp_path / name)
    assert np.array_equal(to_grey(tmp_path / name), plain)
    assert np.array_equal(to_grey(str(tmp_path / name)), plain)
    with Image.open(tmp_path / name) as picture:
        assert np.array_equal(to_grey(picture), plain)


def test_a_jpeg_is_read_to_within_its_own_loss(tmp_path):
    smooth = np.add.outer(np.arange(48), np.arange(40)).astype(np.uint8) * 2
    for name, picture in (("a.jpg", smooth), ("b.jpeg", np.stack([smooth] * 3, axis=-1))):
        Image.fromarray(picture).save(tmp_path / name, quality=98)
        assert np.abs(to_grey(tmp_path / name).astype(int) - smooth).max() <= 3


def test_a_jpeg_is_turned_as_a_viewer_turns_it(tmp_path):
    upright = np.zeros((32, 16), np.uint8)
    upright[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    Image.fromarray(np.rot90(upright)).save(tmp_path / "a.jpg", exif=exif, quality=100)
    assert np.abs(to_grey(tmp_path / "a.jpg").astype(int) - upright).max() < 20


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_white_is_the_largest_value_of_the_bits_in_use(bits):
    image = np.array([[0, 2**bits - 1, 2 ** (bits - 1)]], np.uint16)
    assert to_grey(image).tolist() == [[0, 255, 128]]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_colour_is_the_luma_of_pillow_to_within_rounding(red, green, blue):
    pixel = np.array([[[red, green, blue]]], np.uint8)
    [[by_pillow]] = np.asarray(Image.fromarray(pixel).convert("L"))
    for array in (pixel, np.concatenate([pixel, np.zeros((1, 1, 1), np.uint8)], axis=-1)):
        assert abs(int(to_grey(array)[0, 0]) - int(by_pillow)) <= 1


@given(st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_floats_are_shares_of_white(share):
    for kind in (np.float16, np.float32, np.float64):
        value = kind(share)
        assert to_grey(np.array([[value]])).tolist() == [[round(float(value) * 255)]]


REFUSED_ARRAYS = {
    "a list of lists": ([[0, 1], [2, 3]], "is int64 of shape [2, 2]"),
    "bits": (np.zeros(SIDES, bool), "is bool of shape [48, 40]"),
    "two channels": (np.zeros((*SIDES, 2), np.uint8), "is uint8 of shape [48, 40, 2]"),
    "channels first": (np.zeros((3, *SIDES), np.uint8), "is uint8 of shape [3, 48, 40]"),
    "no pixels": (np.zeros((0, 40), np.uint8), "is uint8 of shape [0, 40]"),
    "one row": (np.zeros(40, np.uint8), "is uint8 of shape [40]"),
    "floats up to 255": (np.full(SIDES, 255.0), "has floats from 255 to 255"),
    "floats below 0": (np.full(SIDES, -0.1), "has floats from -0.1 to -0.1"),
    "not a number": (np.full(SIDES, np.nan), "has floats from nan to nan"),
    "a ragged list": ([[0, 1], [2]], "is no array ("),
    "nothing": (None, "is object of shape []"),
}


@pytest.mark.parametrize(("image", "words"), REFUSED_ARRAYS.values(), ids=REFUSED_ARRAYS)
def test_another_array_is_refused_with_what_it_is(image, words):
    with pytest.raises(DataError) as error:
        to_grey(image)
    assert str(error.value).startswith(f"the image {words}")
    assert "give uint8, uint16, or floats in [0, 1]" in str(error.value)


def animation(path: Path) -> None:
    frames = [Image.new("L", (9, 9), grey) for grey in (0, 99)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def cut(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-600])


BAD = {
    "missing.png": lambda path: None,
    "empty.png": lambda path: path.touch(),
    "text.png": lambda path: path.write_text("no image"),
    "cut.png": cut,
    "cut.bmp": cut,
    "cut.tif": cut,
    "two images.tif": animation,
    "an animation.png": animation,
    "a folder.png": lambda path: path.mkdir(),
    "32 bits.tif": lambda path: Image.fromarray(np.full((9, 9), 10**6, np.int32)).save(path),
    "floats over 1.tif": lambda path: Image.fromarray(np.full((9, 9), 9, np.float32)).save(path),
    "huge.png": lambda path: Image.new("1", (20000, 2)).save(path),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_its_name(name, tmp_path):
    BAD[name](tmp_path / name)
    with pytest.raises(DataError) as error:
        to_grey(tmp_path / name)
    assert str(error.value).startswith(str(tmp_path / name))
