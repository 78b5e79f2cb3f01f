"""Masks of every form mean what their values say, or a sentence asks what they mean."""

import io

import numpy as np
import pytest
from PIL import Image

from covseg.data.reading import Reading
from covseg.errors import DataError

TRUTH = np.zeros((20, 24), bool)
TRUTH[5:12, 6:15] = True


def file(pixels: np.ndarray | Image.Image, kind: str = "PNG") -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def palette(of_black: tuple[int, ...], of_white: tuple[int, ...]) -> Image.Image:
    picture = Image.fromarray(TRUTH.astype(np.uint8), "P")
    picture.putpalette([*of_black, *of_white])
    return picture


WHITE = (TRUTH * 255).astype(np.uint8)
OPAQUE = np.full_like(WHITE, 255)
FORMS = {
    "0 and 255": file(WHITE),
    "0 and 1": file(TRUTH.astype(np.uint8)),
    "one bit": file(Image.fromarray(TRUTH)),
    "16 bits": file((TRUTH * 65535).astype(np.uint16)),
    "grey as colours": file(np.stack([WHITE] * 3, axis=-1)),
    "opaque alpha": file(np.stack([WHITE, OPAQUE], axis=-1)),
    "opaque colours": file(np.stack([WHITE] * 3 + [OPAQUE], axis=-1)),
    "a grey palette": file(palette((0, 0, 0), (255, 255, 255))),
    "a palette of labels": file(palette((0, 0, 0), (255, 0, 0))),
    "TIFF": file(WHITE, "TIFF"),
    "BMP": file(WHITE, "BMP"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_of_two_values(form):
    mask = Reading().mask(FORMS[form], form, "lung")
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, TRUTH)


def test_labels_belong_to_the_targets_that_name_them():
    labels = TRUTH.astype(np.uint8)
    labels[14:18] = 2
    labels[0] = 7
    reading = Reading(mask_values={"lung": (1, 2), "infection": (2,)})
    assert np.array_equal(reading.mask(file(labels), "", "lung"), np.isin(labels, [1, 2]))
    assert np.array_equal(reading.mask(file(labels), "", "infection"), labels == 2)
    with pytest.raises(DataError, match=r"data.mask_values=\{heart:\[1,2,7\]\}"):
        reading.mask(file(labels), "", "heart")


def test_a_threshold_takes_what_is_as_bright_or_brighter():
    ramp = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (20, 1))
    reading = Reading(mask_threshold=130)
    assert np.array_equal(reading.mask(file(ramp), "", "lung"), ramp >= 130)
    with pytest.raises(DataError, match=r"soft edges.*data\.mask_threshold=128"):
        Reading().mask(file(ramp), "", "lung")


def test_a_lossy_mask_needs_a_threshold():
    with pytest.raises(DataError, match="as JPEG, whose edges may not be"):
        Reading().mask(file(WHITE, "JPEG"), "", "lung")
    mask = Reading(mask_threshold=128).mask(file(WHITE, "JPEG"), "", "lung")
    assert np.mean(mask != TRUTH) < 0.03


def test_images_of_every_depth_are_grey():
    grey = np.random.default_rng(0).integers(0, 256, (20, 24), np.uint8)
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(Reading().image(file(grey, kind), "a"), grey)
    wide = grey.astype(np.uint16) * 257
    assert np.array_equal(Reading().image(file(wide), "a"), grey)
    assert np.array_equal(Reading().image(file(np.stack([grey] * 3, axis=-1)), "a"), grey)


def test_rules_that_give_other_pixels_have_another_key():
    rules = [
        Reading(),
        Reading(mask_threshold=128),
        Reading(mask_threshold=127),
        Reading(mask_values={"lung": (1,)}),
        Reading(mask_values={"lung": (1, 2)}),
        Reading(store_size=512),
    ]
    assert len({rule.key for rule in rules}) == len(rules)
    assert Reading(strict=True).key == ""
    assert Reading(mask_values={"a": (1, 2)}).key == Reading(mask_values={"a": (2, 1)}).key
