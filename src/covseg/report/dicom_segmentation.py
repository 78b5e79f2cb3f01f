"""Masks as a DICOM Segmentation object that refers to the image they belong to; needs highdicom."""

import io
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from covseg.errors import DataError, reason_of

Mask = npt.NDArray[np.bool_]


def segmentation(path: Path, masks: Mapping[str, Mask]) -> bytes:
    """The content of the file: a binary segment for each target.

    Args:
        path: of the DICOM file with the image.
        masks: by target, [height, width] each.

    Raises:
        DataError: highdicom is missing, or the image lacks what the object has to refer to.
    """
    try:
        import highdicom
        import pydicom
    except ImportError as error:
        cause = f"gets no DICOM Segmentation ({reason_of(error)})"
        raise DataError(path, cause, "pip install 'covseg[dicom]'") from error
    file = io.BytesIO()
    try:
        made = highdicom.seg.Segmentation(
            source_images=[pydicom.dcmread(path, force=True, stop_before_pixels=True)],
            pixel_array=np.stack(list(masks.values()), axis=-1)[None].astype(np.uint8),
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(masks),
            series_instance_uid=highdicom.UID(),
            series_number=1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="covseg",
            manufacturer_model_name="covseg",
            software_versions=version("covseg"),
            device_serial_number="0",
            series_description="covseg: not for clinical use",
            omit_empty_frames=False,
        )
        made.save_as(file)
    except Exception as error:  # whatever is missing or wrong in the image's attributes
        cause = f"gets no DICOM Segmentation ({reason_of(error)})"
        raise DataError(path, cause, "the mask is there as PNG") from error
    return file.getvalue()


def _descriptions(targets: Mapping[str, Mask]) -> list[Any]:
    """What each segment shows, in the codes of SNOMED CT."""
    import highdicom
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    abnormal = codes.SCT.MorphologicallyAbnormalStructure
    pneumonia = Code("882784691000119100", "SCT", "Pneumonia caused by SARS-CoV-2")
    kinds = {
        "infection": (abnormal, pneumonia),
        "lung": (codes.SCT.AnatomicalStructure, codes.SCT.Lung),
    }
    other = (abnormal, abnormal)  # its name is the label
    algorithm = highdicom.AlgorithmIdentificationSequence(
        "covseg", codes.DCM.ArtificialIntelligence, version("covseg")
    )
    return [
        highdicom.seg.SegmentDescription(
            number, target, *kinds.get(target, other), "AUTOMATIC", algorithm
        )
        for number, target in enumerate(targets, 1)
    ]
