"""From Python: whatever holds 8-bit grey is predicted alike, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import covseg
from covseg.errors import DataError
from covseg.run.verbs.predictor import Predictor

pytestmark = pytest.mark.filterwarnings("error")

SIDES = (48, 40)  # height and width, neither of which is the network's


@pytest.fixture(scope="module")
def model(finished_run: Path) -> Predictor:
    return covseg.load(finished_run)


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SIDES, np.uint8)


@pytest.fixture(scope="module")
def expected(model: Predictor, plain: np.ndarray) -> np.ndarray:
    return model.predict(plain)


def read_only(image: np.ndarray) -> np.ndarray:
    found = image.copy()
    found.flags.writeable = False
    return found


GREY = {
    "a masked array": lambda image: np.ma.masked_array(image, mask=image > 99),
    "a masked array without a mask": np.ma.masked_array,
    "a PIL image": Image.fromarray,
    "every other pixel of a larger array": lambda image: image.repeat(2, 0).repeat(2, 1)[::2, ::2],
    "a transposed array": lambda image: np.ascontiguousarray(image.T).T,
    "an array turned round twice": lambda image: np.ascontiguousarray(image[::-1, ::-1])[
        ::-1, ::-1
    ],
    "a read-only array": read_only,
    "bytes that nobody may write": lambda image: np.frombuffer(image.tobytes(), np.uint8).reshape(
        image.shape
    ),
    "a tensor": torch.from_numpy,
    "a transposed tensor": lambda image: torch.from_numpy(np.ascontiguousarray(image.T)).T,
    "a list of rows": list,
}


@pytest.mark.parametrize("kind", GREY)
def test_whatever_holds_8_bit_grey_is_predicted_as_the_plain_array(kind, model, plain, expected):
    before = plain.copy()
    found = model.predict(GREY[kind](plain))
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (np.float32, SIDES)
    assert found.tobytes() == expected.tobytes()
    assert np.array_equal(plain, before)


def test_an_image_that_has_the_size_of_the_network_may_be_read_only_too(model):
    image = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
    assert model.predict(read_only(image)).tobytes() == model.predict(image).tobytes()


def grey(mode: str) -> Image.Image:
    return Image.new("L", SIDES[::-1]).convert(mode)


ARRAY = np.zeros(SIDES, np.uint8)
REFUSED = {
    "a PIL image in colour": (grey("RGB"), "has the mode RGB: give image.convert('L')."),
    "a PIL image with a palette": (grey("P"), "has the mode P: give image.convert('L')."),
    "a PIL image of bits": (grey("1"), "has the mode 1: give image.convert('L')."),
    "a PIL image that is transparent": (grey("LA"), "has the mode LA: give image.convert('L')."),
    "a PIL image of 16 bits": (Image.new("I;16", SIDES), "has the mode I;16: give "),
    "a name": ("image.png", "is a path: "),
    "a path": (Path("image.png"), "is a path: "),
    "a list of lists": ([[0, 1], [2, 3]], "is int64 of shape [2, 2]: "),
    "a ragged list": ([[0, 1], [2]], "is no array ("),
    "nothing": (None, "is object of shape []: "),
    "a number": (np.uint8(1), "is uint8 of shape []: "),
    "floats": (ARRAY.astype(np.float32), "is float32 of shape [48, 40]: "),
    "16 bits": (ARRAY.astype(np.uint16), "is uint16 of shape [48, 40]: "),
    "bits": (ARRAY > 0, "is bool of shape [48, 40]: "),
    "a tensor of floats": (torch.zeros(SIDES), "is float32 of shape [48, 40]: "),
    "a tensor on no device": (torch.zeros(SIDES, device="meta"), "is no array ("),
    "three channels": (np.zeros((*SIDES, 3), np.uint8), "is uint8 of shape [48, 40, 3]: "),
    "one channel": (ARRAY[None], "is uint8 of shape [1, 48, 40]: "),
    "one row": (ARRAY[0], "is uint8 of shape [40]: "),
    "no pixels": (ARRAY[:0], "is uint8 of shape [0, 40]: "),
}


@pytest.mark.parametrize(("image", "words"), REFUSED.values(), ids=REFUSED)
def test_nothing_else_is_predicted(image, words, model):
    with pytest.raises(DataError) as error:
        model.predict(image)
    assert str(error.value).startswith(f"the image {words}")
    if not isinstance(image, Image.Image):
        assert "give 8-bit grey: uint8 [height, width]" in str(error.value)
    with pytest.raises(DataError) as other:
        model.preprocess(image)
    assert str(other.value) == str(error.value)


def test_a_file_that_was_cut_is_refused_when_it_is_predicted(model, plain, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(plain).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    with Image.open(path) as image, pytest.raises(DataError):
        model.predict(image)
