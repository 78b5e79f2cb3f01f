"""A DICOM Segmentation is read back by other readers, and refers to its image."""

from pathlib import Path

import numpy as np
import pytest

from covseg.errors import DataError
from covseg.report.dicom_segmentation import segmentation

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")

from pydicom.data import get_testdata_file  # noqa: E402

SHAPES = {
    "MR_small.dcm": (64, 64),
    "CT_small.dcm": (128, 128),
    "examples_rgb_color.dcm": (240, 320),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_masks_are_read_back_with_the_image_they_belong_to(name, tmp_path):
    source = Path(get_testdata_file(name, download=False))
    generator = np.random.default_rng(0)
    masks = {target: generator.random(SHAPES[name]) > 0.5 for target in ("infection", "lung")}
    path = tmp_path / "seg.dcm"
    path.write_bytes(segmentation(source, masks))
    image, plain = pydicom.dcmread(source), pydicom.dcmread(path)
    assert plain.SOPClassUID.name == "Segmentation Storage"
    assert plain.StudyInstanceUID == image.StudyInstanceUID
    assert plain.SeriesInstanceUID != image.SeriesInstanceUID
    [series] = plain.ReferencedSeriesSequence
    [instance] = series.ReferencedInstanceSequence
    assert instance.ReferencedSOPInstanceUID == image.SOPInstanceUID
    labels = [segment.SegmentLabel for segment in plain.SegmentSequence]
    assert labels == list(masks)
    frames = plain.pixel_array.reshape(2, *SHAPES[name]).astype(bool)  # pydicom's reader
    numbers = [
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for frame in plain.PerFrameFunctionalGroupsSequence
    ]
    for number, frame in zip(numbers, frames, strict=True):
        assert np.array_equal(frame, masks[labels[number - 1]])
    by_highdicom = highdicom.seg.segread(path).get_pixels_by_source_instance(
        source_sop_instance_uids=[image.SOPInstanceUID]
    )
    for number, mask in enumerate(masks.values()):
        assert np.array_equal(by_highdicom[0, ..., number].astype(bool), mask)


def test_an_image_without_a_place_in_the_patient_is_refused(tmp_path):
    source = Path(get_testdata_file("693_J2KI.dcm", download=False))
    with pytest.raises(DataError, match="gets no DICOM Segmentation"):
        segmentation(source, {"infection": np.zeros((512, 512), bool)})
