"""From Python: whatever holds the same grey values is predicted alike."""

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


FILES = {
    "image.png": Image.fromarray,
    "image.tif": lambda image: Image.fromarray(image.astype(np.uint16) * 257),
    "image.bmp": lambda image: Image.fromarray(image).convert("RGB"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_path_is_predicted_as_its_pixels(name, model, plain, expected, tmp_path):
    FILES[name](plain).save(tmp_path / name)
    assert model.predict(tmp_path / name).tobytes() == expected.tobytes()
    assert model.predict(str(tmp_path / name)).tobytes() == expected.tobytes()


def test_an_image_of_another_kind_is_refused(model):
    with pytest.raises(DataError, match="is bool of shape"):
        model.predict(np.zeros(SIDES, bool))
    with pytest.raises(DataError, match="is no array"):
        model.predict(torch.zeros(SIDES, device="meta"))


def test_whoever_reads_one_result_is_not_left_without_gradients(model, plain):
    results = model.probabilities([plain, plain])
    next(results)
    assert not torch.is_inference_mode_enabled()


def test_a_batch_gives_what_single_images_give(model, plain):
    """Of several sizes, to within the rounding of another batch size."""
    images = [plain, np.repeat(plain, 2, axis=0), plain[:20, :30], plain]
    together = list(model.probabilities(images))
    for image, [probability] in zip(images, together, strict=True):
        assert probability.shape == image.shape
        assert np.abs(probability - model.predict(image)).max() < 1e-5


def test_a_file_that_was_cut_is_refused_when_it_is_predicted(model, plain, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(plain).save(path)
    path.write_bytes(path.read_bytes()[:-600])
    with Image.open(path) as image, pytest.raises(DataError):
        model.predict(image)
