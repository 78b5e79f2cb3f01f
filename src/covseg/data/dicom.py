"""Read a DICOM file as 8-bit grey, as a viewer shows it; needs pydicom."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from covseg.errors import DataError, reason_of

DICOM_ENDINGS = frozenset({".dcm", ".dicom"})
LARGEST = 16384  # pixels per side, of any kind of image
_MAGIC, _MAGIC_AT = b"DICM", 128
_OTHER = "name a DICOM file with one image"


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its ending or, without one, by its first bytes."""
    if path.suffix.lower() in DICOM_ENDINGS:
        return True
    if path.suffix and not path.suffix[1:].isdigit():  # unique identifiers end in numbers
        return False
    with path.open("rb") as file:
        return file.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC


def read_dicom(path: Path) -> npt.NDArray[np.uint8]:
    """The image with its modality LUT or rescale and its first VOI LUT or window applied.

    The lowest value of the window becomes 0 and the highest 255; without a window, those of the
    image. It is the other way round for MONOCHROME1. Colours become grey by their luma (ITU-R
    BT.601).

    Returns:
        uint8 [height, width].

    Raises:
        DataError: not a DICOM file, no image or several in it, or a coding that no installed
            package decodes.
    """
    try:
        import pydicom
        from pydicom import pixels
    except ImportError as error:
        raise DataError(
            path, "is DICOM, which needs pydicom", "pip install 'covseg[dicom]'"
        ) from error
    try:
        dataset = pydicom.dcmread(path, force=True)
        _check(dataset, path)
        values = pixels.pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            values = pixels.apply_color_lut(values, dataset)
        if values.ndim == 3:
            grey = values[..., :3] @ np.array([0.299, 0.587, 0.114])
            return _scaled(grey, 0, np.iinfo(values.dtype).max)
        values = pixels.apply_modality_lut(values, dataset)
        low, high = values.min(), values.max()
        if "WindowCenter" in dataset or "VOILUTSequence" in dataset:
            # what is below and above any window becomes its lowest and highest value
            ends = _extremes(values.dtype)
            low, high = np.sort(pixels.apply_voi_lut(ends, dataset)).tolist()
            values = pixels.apply_voi_lut(values, dataset)
    except DataError:
        raise
    except Exception as error:  # a damaged file can make pydicom and its decoders raise anything
        reason = reason_of(error)
        raise DataError(path, f"is no DICOM image that can be read ({reason})", _OTHER) from error
    grey = _scaled(values, low, high)
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def _extremes(dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if np.issubdtype(dtype, np.integer):
        return np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    return np.array([-1e9, 1e9], dtype)


def _check(dataset: Any, path: Path) -> None:
    """Refuse what is not one image, before it is decoded."""
    if "PhotometricInterpretation" not in dataset or "Rows" not in dataset:
        kind = getattr(getattr(dataset, "SOPClassUID", None), "name", "")
        raise DataError(path, f"has no image in it{f' ({kind})' if kind else ''}", _OTHER)
    if max(int(dataset.Rows), int(dataset.Columns)) > LARGEST:
        size = f"{dataset.Columns} x {dataset.Rows} pixels"
        raise DataError(path, f"has {size}, and {LARGEST} per side are read", _OTHER)
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    if n_frames > 1:
        raise DataError(path, f"has {n_frames} images in it", _OTHER)


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    span = float(high) - float(low)
    if span == 0:
        return np.zeros(values.shape, np.uint8)
    return np.asarray(np.round((values.astype(np.float64) - low) / span * 255), np.uint8)
