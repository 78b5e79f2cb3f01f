"""Read a DICOM file as 8-bit grey, as a viewer shows it; needs pydicom."""

import io
from pathlib import Path, PurePath
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
    if path.suffix.lower() in DICOM_ENDINGS or not may_be_dicom(path):
        return path.suffix.lower() in DICOM_ENDINGS
    with path.open("rb") as file:
        return begins_as_dicom(file.read(_MAGIC_AT + len(_MAGIC)))


def may_be_dicom(path: PurePath) -> bool:
    """Whether a name has no ending, or a number for one, as unique identifiers have."""
    return not path.suffix or path.suffix[1:].isdigit()


def begins_as_dicom(data: bytes) -> bool:
    """Whether the content of a file begins as that of a DICOM file."""
    return data[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def read_dicom(data: bytes, where: str) -> npt.NDArray[np.uint8]:
    """The image with its modality LUT or rescale and its first VOI LUT or window applied.

    The lowest value of the window becomes 0 and the highest 255; without a window, those of the
    image. It is the other way round for MONOCHROME1. Colours become grey by their luma (ITU-R
    BT.601).

    Args:
        data: the file.
        where: its name, for error messages.

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
        cause = "is DICOM, which needs pydicom"
        raise DataError(where, cause, "pip install 'covseg[dicom]'") from error
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        _check(dataset, where)
        values = pixels.pixel_array(dataset)
        if dataset.PhotometricInterpretation == "PALETTE COLOR":
            values = pixels.apply_color_lut(values, dataset)
        if values.ndim == 3:
            grey = values[..., :3] @ np.array([0.299, 0.587, 0.114])
            return _scaled(grey, 0, np.iinfo(values.dtype).max)
        values, low, high = _windowed(pixels.apply_modality_lut(values, dataset), dataset)
    except DataError:
        raise
    except Exception as error:  # a damaged file can make pydicom and its decoders raise anything
        reason = reason_of(error)
        raise DataError(where, f"is no DICOM image that can be read ({reason})", _OTHER) from error
    grey = _scaled(values, low, high)
    return 255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey


def _windowed(values: npt.NDArray[Any], dataset: Any) -> tuple[npt.NDArray[Any], float, float]:
    """The values in their window, and the lowest and highest value that it gives."""
    from pydicom import pixels

    # whoever removes names from files may leave the tags of a window without their values
    has_window = all(_has(dataset, tag) for tag in ("WindowCenter", "WindowWidth"))
    if not has_window and not _has(dataset, "VOILUTSequence"):
        return values, values.min(), values.max()
    ends = pixels.apply_voi_lut(_extremes(values.dtype), dataset)
    return pixels.apply_voi_lut(values, dataset), ends.min(), ends.max()


def _has(dataset: Any, tag: str) -> bool:
    """Whether a tag is there and has a value."""
    return tag in dataset and not dataset[tag].is_empty


def _extremes(dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if np.issubdtype(dtype, np.integer):
        return np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    return np.array([-1e9, 1e9], dtype)


def _check(dataset: Any, where: str) -> None:
    """Refuse what is not one image, before it is decoded."""
    if "PhotometricInterpretation" not in dataset or "Rows" not in dataset:
        kind = getattr(getattr(dataset, "SOPClassUID", None), "name", "")
        raise DataError(where, f"has no image in it{f' ({kind})' if kind else ''}", _OTHER)
    if max(int(dataset.Rows), int(dataset.Columns)) > LARGEST:
        size = f"{dataset.Columns} x {dataset.Rows} pixels"
        raise DataError(where, f"has {size}, and {LARGEST} per side are read", _OTHER)
    n_frames = int(dataset.get("NumberOfFrames") or 1)
    if n_frames > 1:
        raise DataError(where, f"has {n_frames} images in it", _OTHER)


def _scaled(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    span = float(high) - float(low)
    if span == 0:
        return np.zeros(values.shape, np.uint8)
    return np.asarray(np.round((values.astype(np.float64) - low) / span * 255), np.uint8)
