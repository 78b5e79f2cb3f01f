"""Any X-ray image becomes 8-bit grey, by rules that do not depend on who hands it over.

- 16 bits: white is the largest value of the smallest of 8, 10, 12, 14 and 16 bits that hold all
  values of the image.
- Floats are in [0, 1]: 0 is black, 1 is white.
- Colour becomes luma (ITU-R BT.601); transparency is ignored.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, TiffImagePlugin

from covseg.data.dicom import DICOM_ENDINGS, LARGEST, begins_as_dicom, read_dicom
from covseg.data.image import Pixels
from covseg.errors import DataError, reason_of

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
_LUMA = np.array([0.299, 0.587, 0.114])
_DEPTHS = (8, 10, 12, 14, 16)  # bits
_REMEDY = (
    "give uint8, uint16, or floats in [0, 1], [height, width] or [height, width, 3 or 4 channels]"
)
AnyImage = npt.ArrayLike | Image.Image | str | PathLike[str]


def to_grey(image: AnyImage) -> Pixels:
    """A path, PIL image or array as 8-bit grey.

    Args:
        image: the path of a PNG, JPEG, TIFF, BMP or DICOM file; a PIL image; or what NumPy makes an
            array of. Of a masked array the data counts, not the mask.

    Returns:
        uint8 [height, width].

    Raises:
        DataError: not such an image.
    """
    if isinstance(image, str | PathLike):
        return _read(Path(image))
    if isinstance(image, Image.Image):
        return _of_pil(image, "the image")
    try:
        pixels = np.asarray(image)
    except (ValueError, TypeError, RuntimeError, OSError) as error:  # ragged, or on a GPU
        raise DataError("the image", f"is no array ({error})", _REMEDY) from error
    return _of_array(pixels, "the image")


def _read(path: Path) -> Pixels:
    try:
        data = path.read_bytes()
    except OSError as error:
        cause = f"cannot be read ({error.strerror})"
        raise DataError(path, cause, "give another file") from error
    return of_bytes(data, str(path))


def of_bytes(data: bytes, where: str) -> Pixels:
    """The content of a file as 8-bit grey.

    Args:
        data: of a PNG, JPEG, TIFF, BMP or DICOM file.
        where: its name, for error messages.

    Raises:
        DataError: not such an image.
    """
    if begins_as_dicom(data) or where.lower().endswith(tuple(DICOM_ENDINGS)):
        return read_dicom(data, where)
    with opened(data, where) as picture:
        return _of_pil(picture, where)


@contextmanager
def opened(data: bytes, where: str) -> Iterator[Image.Image]:
    """The content of a file as a PIL image.

    Raises:
        DataError: no image, or a damaged one, whether it is noticed now or when it is decoded.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.format == "PNG":  # decoding alone does not check the checksums of pixels
                picture.verify()
        with Image.open(io.BytesIO(data)) as picture:
            _check_white(picture, where)
            yield picture
    except DataError:
        raise
    except Exception as error:  # a damaged file can make Pillow raise almost anything
        reason = reason_of(error).partition(" <")[0]
        raise DataError(where, f"cannot be read ({reason})", "give another file") from error


def _check_white(picture: Image.Image, where: str) -> None:
    """Refuse 16 bits whose zero is white: Pillow inverts only 8 of them."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile) and picture.mode.startswith("I;16"):
        tag = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION
        if picture.tag_v2.get(tag) == 0:
            raise DataError(where, "is a 16-bit TIFF whose zero is white", "save it as PNG")


def _of_pil(picture: Image.Image, where: str) -> Pixels:
    """Grey values of a PIL image, turned as its EXIF orientation says."""
    if getattr(picture, "n_frames", 1) > 1:
        raise DataError(where, f"has {picture.n_frames} images in it", "give one image")  # type: ignore[attr-defined]
    if max(picture.size) > LARGEST:
        width, height = picture.size
        cause = f"has {width}x{height} pixels, and covseg reads up to {LARGEST} per side"
        raise DataError(where, cause, "make it smaller")
    try:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode == "I":  # Pillow's 16 bits in 32
            values = np.asarray(picture)
            if values.min() < 0 or values.max() > 2**16 - 1:
                raise DataError(where, "has 32-bit grey values", "save it with 8 or 16 bits")
            return _of_array(values.astype(np.uint16), where)
        if picture.mode == "F" or picture.mode.startswith("I;16"):
            values = np.asarray(picture)
            return _of_array(values if picture.mode == "F" else values.astype(np.uint16), where)
        if picture.mode in {"L", "1"}:
            return np.array(picture.convert("L"))
        return np.array(picture.convert("RGB").convert("L"))
    except (OSError, ValueError, SyntaxError) as error:  # Pillow decodes only now
        reason = reason_of(error).partition(" <")[0]
        raise DataError(where, f"cannot be read ({reason})", "give another file") from error


def _of_array(pixels: npt.NDArray[np.generic], where: str) -> Pixels:
    """Grey values of an array.

    Raises:
        DataError: another type, shape or range than those of images.
    """
    colour = pixels.ndim == 3 and pixels.shape[-1] in {3, 4}
    known = pixels.dtype in {np.dtype(np.uint8), np.dtype(np.uint16)} or pixels.dtype.kind == "f"
    if not known or 0 in pixels.shape or not (pixels.ndim == 2 or colour):
        raise DataError(where, f"is {pixels.dtype} of shape {list(pixels.shape)}", _REMEDY)
    if pixels.dtype == np.uint8 and not colour:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype.kind == "f":
        full = 1.0
        # `not` also refuses NaN
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            low, high = float(pixels.min()), float(pixels.max())
            raise DataError(where, f"has floats from {low:g} to {high:g}", _REMEDY)
    else:
        highest = int(pixels.max())
        full = float(next(2**bits - 1 for bits in _DEPTHS if highest < 2**bits))
    values = pixels.astype(np.float64)
    grey = values[..., :3] @ _LUMA if colour else values
    return np.asarray(np.round(grey / full * 255), np.uint8)
