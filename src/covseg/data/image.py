"""Decode one image of the dataset: an 8-bit grey PNG becomes pixels, anything else is refused."""

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from covseg.errors import DataError

Pixels = npt.NDArray[np.uint8]

_SMALLEST, _LARGEST = 8, 4096  # pixels per side, the bounds of data.image_size
_RESTORE = "restore the file from the original download"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB\x60\x82"  # Pillow does not require it
_MODES = {  # Pillow's names
    "1": "a 1-bit image",
    "I;16": "a 16-bit image",
    "LA": "a grey image with transparency",
    "P": "an image with a palette",
    "RGB": "a colour image",
    "RGBA": "a colour image with transparency",
}


def decode(data: bytes, where: str) -> Pixels:
    """The pixels of an 8-bit grey PNG.

    Args:
        data: the file.
        where: the file's name, for error messages.

    Returns:
        uint8 [height, width].

    Raises:
        DataError: not a PNG, a damaged one, or one of another mode or an unsupported size.
    """
    _check_header(data, where)
    file = io.BytesIO(data)
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            picture.verify()  # decoding alone does not check the checksums of pixels
        with Image.open(file, formats=["PNG"]) as picture:
            assert isinstance(picture, PngImagePlugin.PngImageFile)
            if picture.is_animated:
                raise DataError(where, f"is an animation of {picture.n_frames} images", _RESTORE)
            if picture.mode == "L":
                return np.asarray(picture)
            mode = picture.mode
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise DataError(where, f"is not a readable image ({_reason(error)})", _RESTORE) from error
    raise DataError(
        where,
        f"is {_MODES.get(mode, f'an image of mode {mode}')}, not 8-bit grey",
        "convert it to 8-bit grey",
    )


def _reason(error: Exception) -> str:
    """Pillow's reason, in plain English if it is one of the two usual ones."""
    reason = str(error)
    if "checksum" in reason:
        return "its checksum is wrong"
    return "truncated" if "BytesIO" in reason or "truncated" in reason.lower() else reason


def decode_mask(data: bytes, where: str) -> Pixels:
    """The pixels of a mask, uint8 {0, 1} [height, width].

    Raises:
        DataError: as ``decode``, or values other than 0 and 255, or black and white swapped.
    """
    mask = decode(data, where)
    if not np.all((mask == 0) | (mask == 255)):
        if mask.max() == 1:
            raise DataError(where, "is a mask of 0 and 1, not 0 and 255", "multiply it by 255")
        others = sorted({int(v) for v in np.unique(mask)} - {0, 255})
        raise DataError(
            where,
            f"is a mask with other values than 0 and 255 (such as {others[0]})",
            "restore the file, or save it as a lossless black and white PNG",
        )
    mask = (mask > 0).astype(np.uint8)
    if _framed(mask):
        raise DataError(
            where,
            "is a mask that is white along most of the image's edge, as if black and white were "
            "swapped",
            "save it with 255 where the lungs or the infection are, and 0 everywhere else",
        )
    return mask


def _framed(mask: Pixels) -> bool:
    """Whether more than half of the outermost pixels are set.

    In the 11,652 masks of COVID-QU-Ex at most 23 % of them are; of an inverted one, 77 % or more.
    """
    (height, width), edge = mask.shape, int(mask[0].sum()) + int(mask[-1].sum())
    edge += int(mask[1:-1, 0].sum()) + int(mask[1:-1, -1].sum())
    return bool(edge > height + width - 2)


def _check_header(data: bytes, where: str) -> None:
    """Check the first bytes before anything is decoded.

    Raises:
        DataError: not a PNG, a damaged one, or one of an unsupported size.
    """
    if not data:
        raise DataError(where, "is an empty file", _RESTORE)
    if not data.startswith(_SIGNATURE):
        if _SIGNATURE.startswith(data):
            raise DataError(where, "is not a readable image (truncated)", _RESTORE)
        try:
            with Image.open(io.BytesIO(data)) as picture:
                kind = f"a {picture.format} image with the suffix .png"
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
            kind = "not an image"
        raise DataError(where, f"is {kind}", _RESTORE)
    if len(data) < 29 or _END not in data:
        raise DataError(where, "is not a readable image (truncated)", _RESTORE)
    if (
        data[26:28] != b"\0\0" or data[28] > 1
    ):  # compression, filter, interlacing: not checked by Pillow
        raise DataError(where, "is not a readable image (its header is damaged)", _RESTORE)
    width, height = struct.unpack(">II", data[16:24])
    if max(width, height) > _LARGEST or min(width, height) < _SMALLEST:
        raise DataError(
            where,
            f"has {width}x{height} pixels, and covseg reads {_SMALLEST} to {_LARGEST} per side",
            _RESTORE,
        )
