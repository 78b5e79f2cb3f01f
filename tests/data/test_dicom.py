"""DICOM files as a viewer shows them, on the files that pydicom ships."""

from pathlib import Path

import numpy as np
import pytest

from covseg.data.dicom import is_dicom
from covseg.data.grey import to_grey
from covseg.errors import DataError

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("gdcm")

from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import FileDataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian  # noqa: E402


def shipped(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(path)


def written(path: Path, values: np.ndarray, **more: object) -> Path:
    """A 16-bit radiograph as an X-ray machine would write it."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.Rows, image.Columns = values.shape
    image.SamplesPerPixel, image.BitsAllocated, image.BitsStored, image.HighBit = 1, 16, 12, 11
    image.PixelRepresentation, image.PhotometricInterpretation = 0, "MONOCHROME2"
    image.PixelData = values.astype(np.uint16).tobytes()
    for name, value in more.items():
        setattr(image, name, value)
    image.save_as(path)
    return path


VALUES = np.array([[0, 1000, 2000], [3000, 4000, 4095]])


def by_hand(values: np.ndarray, low: float, high: float) -> list[list[int]]:
    clipped = np.clip((values - low) / (high - low), 0, 1)
    return np.round(clipped * 255).astype(int).tolist()


def test_the_range_of_the_image_is_black_to_white(tmp_path):
    path = written(tmp_path / "a.dcm", VALUES)
    assert to_grey(path).tolist() == by_hand(VALUES, 0, 4095)


def test_monochrome1_is_inverted(tmp_path):
    path = written(tmp_path / "a.dcm", VALUES, PhotometricInterpretation="MONOCHROME1")
    assert to_grey(path).tolist() == (255 - np.array(by_hand(VALUES, 0, 4095))).tolist()


def test_rescale_and_window_are_applied_in_this_order(tmp_path):
    """The window of the rescaled values, by the formula of DICOM PS3.3 C.11.2.1.2.1."""
    window = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": 3000}
    path = written(tmp_path / "a.dcm", VALUES, **window, WindowWidth=2001)
    low, high = 3000 - 0.5 - 1000, 3000 - 0.5 + 1000
    assert to_grey(path).tolist() == by_hand(VALUES * 2 - 1000, low, high)


def test_black_and_white_are_those_of_the_window_and_not_of_the_image(tmp_path):
    """A viewer shows an image that fills a part of its window in a part of its shades."""
    values = np.array([[100, 150, 200], [1000, 1500, 2000]])
    path = written(tmp_path / "a.dcm", values, WindowCenter=2048, WindowWidth=4096)
    assert to_grey(path).tolist() == by_hand(values, 0, 4095)
    inverted = {"PhotometricInterpretation": "MONOCHROME1"}
    path = written(tmp_path / "b.dcm", values, WindowCenter=2048, WindowWidth=4096, **inverted)
    assert to_grey(path).tolist() == (255 - np.array(by_hand(values, 0, 4095))).tolist()


def test_a_lookup_table_has_its_own_black_and_white(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4, 1000, 16]  # values up to 1000 are the first entry, from 1003 the last
    table.LUTData = [0, 100, 200, 400]
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    values = np.array([[0, 1001], [1002, 1002]])
    path = written(tmp_path / "a.dcm", values, VOILUTSequence=[table])
    assert to_grey(path).tolist() == [[0, 64], [128, 128]]


def test_too_large_an_image_is_refused_before_it_is_decoded(tmp_path):
    path = written(tmp_path / "a.dcm", VALUES)
    dataset = pydicom.dcmread(path)
    dataset.Rows = 20000
    dataset.save_as(path)
    with pytest.raises(DataError, match="has 3 x 20000 pixels, and 16384 per side are read"):
        to_grey(path)


def test_an_image_of_one_value_is_black(tmp_path):
    assert not to_grey(written(tmp_path / "a.dcm", np.full((4, 4), 700))).any()


LOSSLESS = ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "implicit"]


@pytest.mark.parametrize("coding", LOSSLESS)
def test_a_lossless_coding_gives_the_same_grey(coding):
    plain = to_grey(shipped("MR_small.dcm"))
    assert plain.max() == 255
    assert np.array_equal(to_grey(shipped(f"MR_small_{coding}.dcm")), plain)


COLOURS = {
    "SC_rgb_small_odd.dcm": "RGB",
    "SC_rgb_jpeg_gdcm.dcm": "lossless JPEG",
    "SC_rgb_dcmtk_+eb+cy+np.dcm": "YBR_FULL_422 in JPEG",
    "SC_rgb_gdcm_KY.dcm": "JPEG 2000",
    "examples_palette.dcm": "PALETTE COLOR",
}


@pytest.mark.parametrize("name", COLOURS)
def test_colours_become_their_luma(name):
    dataset = pydicom.dcmread(shipped(name))
    values = pydicom.pixels.pixel_array(dataset)
    if COLOURS[name] == "PALETTE COLOR":
        values = pydicom.pixels.apply_color_lut(values, dataset)
    red, green, blue = np.moveaxis(values / np.iinfo(values.dtype).max * 255, -1, 0)
    luma = np.round(0.299 * red + 0.587 * green + 0.114 * blue)
    assert np.abs(to_grey(shipped(name)) - luma).max() <= 1


def test_dicom_is_known_without_an_ending(tmp_path):
    plain = tmp_path / "IM0001"
    plain.write_bytes(shipped("MR_small.dcm").read_bytes())
    (tmp_path / "notes").write_text("DICM")
    (tmp_path / "1.2.840.7").write_bytes(plain.read_bytes())
    assert is_dicom(plain)
    assert is_dicom(tmp_path / "1.2.840.7")
    assert not is_dicom(tmp_path / "notes")
    assert np.array_equal(to_grey(plain), to_grey(shipped("MR_small.dcm")))


REFUSED = {
    "rtplan.dcm": "has no image in it (RT Plan Storage)",
    "rtdose.dcm": "has 15 images in it",
    "MR_truncated.dcm": "is no DICOM image that can be read",
    "badVR.dcm": "is no DICOM image that can be read",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_image_is_refused_by_name(name):
    with pytest.raises(DataError) as error:
        to_grey(shipped(name))
    assert str(error.value).startswith(f"{shipped(name)} {REFUSED[name]}")


def test_text_with_the_ending_of_dicom_is_refused(tmp_path):
    (tmp_path / "a.dcm").write_text("no image")
    with pytest.raises(DataError, match=r"a\.dcm"):
        to_grey(tmp_path / "a.dcm")


@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": 2000},
        {"WindowCenter": 2000, "WindowWidth": None},
        {"VOILUTSequence": []},
    ],
)
@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -10}])
def test_a_window_without_its_values_is_none(tmp_path, window, rescale):
    """Protects: who removes names from a file may leave the tags of a window, and all was black."""
    path = written(tmp_path / "a.dcm", VALUES, **window, **rescale)
    assert to_grey(path).tolist() == by_hand(VALUES, 0, 4095)
