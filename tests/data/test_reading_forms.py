"""Forms of masks and images that mean something only by a rule, or nothing at all."""

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from covseg.data.reading import Reading
from covseg.errors import DataError

WHERE = "own/mask.png"
PLAIN = Reading()


def saved(pixels: np.ndarray | Image.Image, kind: str = "PNG", **more: Any) -> bytes:
    file = io.BytesIO()
    (Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels).save(file, kind, **more)
    return file.getvalue()


def drawn(value: int = 255, kind: type = np.uint8) -> np.ndarray:
    """A mask with a region that is no symmetric shape."""
    pixels = np.zeros((20, 24), kind)
    pixels[5:12, 4:9] = value
    pixels[9:12, 4:20] = value
    return pixels


TRUTH = (drawn() > 0).astype(np.uint8)
OPAQUE = np.full((20, 24), 255, np.uint8)


def mask(data: bytes, reading: Reading = PLAIN) -> np.ndarray:
    return reading.mask(data, WHERE, "lung")


def refusal(data: bytes, reading: Reading = PLAIN) -> str:
    with pytest.raises(DataError) as caught:
        mask(data, reading)
    assert str(caught.value).startswith(WHERE)
    return str(caught.value)


def paletted(indices: np.ndarray, *colours: tuple[int, int, int]) -> bytes:
    picture = Image.fromarray(indices)
    picture.putpalette([value for colour in colours for value in colour])
    return saved(picture)


# --- masks of two values

TWO_VALUES = {
    "1 bit as TIFF": saved(Image.fromarray(drawn()).convert("1"), "TIFF", compression="group4"),
    "TIFF with LZW": saved(drawn(), "TIFF", compression="tiff_lzw"),
    "16 bits, 0 and 255": saved(drawn(255, np.uint16)),
    "16 bits as TIFF": saved(drawn(65535, np.uint16), "TIFF"),
    "16 bits, 0 and 1": saved(drawn(1, np.uint16), "TIFF"),
    "a palette the other way round": paletted(1 - drawn(1), (255, 255, 255), (0, 0, 0)),
    "a palette of 256 greys": saved(Image.fromarray(drawn()).convert("P")),
}


@pytest.mark.parametrize("form", TWO_VALUES)
def test_two_values_are_a_mask(form):
    assert np.array_equal(mask(TWO_VALUES[form]), TRUTH)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_a_mask_without_a_white_pixel_is_empty(mode):
    assert not mask(saved(Image.new(mode, (24, 20)))).any()


def test_a_mask_is_turned_as_its_image_is():
    """Protects: a program that writes an orientation writes it into both files."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    data = saved(np.rot90(drawn()), exif=exif)
    assert np.array_equal(PLAIN.image(data, "own/image.png"), drawn())
    assert np.array_equal(mask(data), TRUTH)


# --- labels

LABELS = drawn(1)
LABELS[13:16, 2:20] = 2
LABELS[1:3, 2:5] = 7
VOC = [(128 * (n & 1), 64 * (n & 2), 32 * (n & 4)) for n in range(8)]  # 7 is grey


@pytest.mark.parametrize("values", [(1,), (1, 2), (7, 1), (3,)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_labels_that_are_named_are_the_mask(values, kind):
    reading = Reading(mask_values={"lung": values})
    expected = np.logical_or.reduce([value == LABELS for value in values])
    assert np.array_equal(mask(saved(LABELS.astype(kind)), reading), expected)


@pytest.mark.parametrize("without", [(), (1, 2)])
def test_labels_in_a_palette_are_the_numbers_of_its_colours(without):
    """Protects: a label means the same in a file in which all colours that occur are grey."""
    labels = np.where(np.isin(LABELS, without), 0, LABELS).astype(np.uint8)
    found = mask(paletted(labels, *VOC), Reading(mask_values={"lung": (7,)}))
    assert np.array_equal(found, LABELS == 7)


def test_labels_in_a_lossy_file_are_refused():
    """Protects: beside an edge such a file has labels that nobody drew."""
    data = saved(drawn(100), "JPEG", quality=90)
    assert "as JPEG, whose edges" in refusal(data, Reading(mask_values={"lung": (100,)}))


@pytest.mark.parametrize("value", [2, 7, 128, 254])
def test_one_value_that_is_neither_1_nor_white_is_refused(value):
    assert f"has the values 0, {value}, as a mask of several labels" in refusal(saved(drawn(value)))


# --- soft edges


def test_soft_edges_are_refused_with_their_number_of_greys():
    soft = cv2.GaussianBlur(drawn(), (7, 7), 0)
    n_greys = len(np.unique(soft)) - 1
    assert f"soft edges ({n_greys} grey values): set data.mask_thr" in refusal(saved(soft))
    assert np.array_equal(mask(saved(soft), Reading(mask_threshold=99)), soft >= 99)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 65535))
def test_what_is_as_bright_as_the_threshold_belongs(threshold):
    ramp = np.zeros((18, 34), np.uint16)  # black at the edge, as a mask is
    ramp[1:-1, 1:-1] = np.arange(0, 65536, 128).reshape(16, 32)
    ramp[3, 3], ramp[3, 4] = threshold, threshold - 1
    found = mask(saved(ramp), Reading(mask_threshold=threshold))
    assert (found[3, 3], found[3, 4]) == (1, 0)
    assert np.array_equal(found, ramp >= threshold)


# --- what is no mask

RED = np.stack([drawn(), drawn(0), drawn(0)], axis=-1)
FRAMES = {"save_all": True, "append_images": [Image.new("L", (9, 9))]}
NO_MASKS = {
    "colours": (saved(RED), "is a mask in colours: save it as grey values, one per label"),
    "RGBA colours": (saved(np.dstack([RED, OPAQUE])), "is a mask in colours"),
    "transparent RGBA": (
        saved(np.dstack([drawn()] * 4)),
        "is a mask with a transparent part: save it as black and white, opaque",
    ),
    "transparent LA": (saved(np.dstack([OPAQUE, drawn()])), "is a mask with a transparent part"),
    "floats": (saved(drawn().astype(np.float32), "TIFF"), "is a mask of mode F: save it as 8-bit"),
    "CMYK": (saved(Image.fromarray(drawn()).convert("CMYK"), "TIFF"), "is a mask of mode CMYK"),
    "several": (saved(drawn(), "TIFF", **FRAMES), "has several images in it: save each mask"),
    "text": (b"no picture", "cannot be read ("),
    "cut": (saved(drawn())[:-20], "cannot be read ("),
    "nothing": (b"", "cannot be read ("),
}


@pytest.mark.parametrize("form", NO_MASKS)
@pytest.mark.parametrize("rule", [{}, {"mask_threshold": 128}, {"mask_values": {"lung": (255,)}}])
def test_what_is_no_mask_is_refused_whatever_the_rule(form, rule):
    data, words = NO_MASKS[form]
    assert words in refusal(data, Reading(**rule))


@pytest.mark.parametrize("mode", ["L", "1"])
def test_black_and_white_swapped_are_refused(mode):
    data = saved(Image.fromarray(255 - drawn()).convert(mode))
    assert "as if black and white were swapped" in refusal(data)


@pytest.mark.parametrize("form", TWO_VALUES)
def test_masks_of_covid_qu_ex_have_one_form(form):
    strict = Reading(strict=True)
    assert np.array_equal(mask(saved(drawn()), strict), TRUTH)
    assert refusal(TWO_VALUES[form], strict)


# --- images


def test_an_image_in_12_bits_is_white_where_they_end():
    values = np.tile(np.array([[0, 4095, 2048], [1024, 100, 3000]], np.uint16), (5, 4))
    expected = np.round(values / 4095 * 255)
    assert np.array_equal(PLAIN.image(saved(values), "own/image.png"), expected)


def test_colour_is_luma():
    colours = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
    expected = np.asarray(Image.fromarray(colours).convert("L"))
    assert np.array_equal(PLAIN.image(saved(colours), "own/image.png"), expected)


def test_a_jpeg_is_an_image():
    smooth = np.add.outer(np.arange(20), np.arange(24)).astype(np.uint8) * 5
    found = PLAIN.image(saved(smooth, "JPEG", quality=98), "own/image.jpg")
    assert np.abs(found.astype(int) - smooth).max() <= 4


def test_dicom_is_an_image_by_its_values():
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    values = np.linspace(0, 4095, 480).reshape(20, 24).astype(np.uint16)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 20, 24, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME1"
    dataset.PixelData = values.tobytes()
    file = io.BytesIO()
    dataset.save_as(file)
    for name in ("own/image.dcm", "own/1.2.840"):
        found = PLAIN.image(file.getvalue(), name)
        assert np.abs(found - (255 - values / 4095 * 255)).max() <= 1


def test_the_threshold_is_for_grey_values():
    """Protects: one key for a soft target does not empty a target of 0 and 1."""
    assert np.array_equal(mask(saved(drawn(1)), Reading(mask_threshold=128)), drawn(1) > 0)
    assert "has no value from data.mask_threshold=128 on; its largest is 7" in refusal(
        saved(drawn(7)), Reading(mask_threshold=128)
    )


@pytest.mark.parametrize(
    "reading", [Reading(mask_threshold=128), Reading(mask_values={"lung": (255,)})]
)
def test_black_and_white_swapped_are_refused_whatever_is_set(reading):
    assert "black and white were swapped" in refusal(saved(255 - drawn()), reading)


def test_labels_are_not_offered_a_threshold_above_all_of_them():
    labels = drawn(1)
    labels[0, 0] = 2
    assert "mask_threshold" not in refusal(saved(labels))


def test_a_mask_as_dicom_is_refused():
    assert "is a mask as DICOM" in refusal(bytes(128) + b"DICM")


@pytest.mark.parametrize("shape", [(1, 1), (7, 300)])
def test_an_image_of_a_few_pixels_is_refused(shape):
    with pytest.raises(DataError, match="pixels, and covseg reads 8 or more per side"):
        PLAIN.image(saved(np.zeros(shape, np.uint8)), "own/image.png")


def test_a_tiff_of_16_bits_whose_zero_is_white_is_refused():
    file = io.BytesIO()
    values = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(values).save(file, "TIFF", tiffinfo={262: 0})
    with Image.open(io.BytesIO(file.getvalue())) as picture:
        assert picture.tag_v2[262] == 0
    with pytest.raises(DataError, match="is a 16-bit TIFF whose zero is white: save it as PNG"):
        PLAIN.image(file.getvalue(), "own/image.tif")
