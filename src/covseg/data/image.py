"""Decode one image of the dataset: an 8-bit grey PNG becomes pixels, anything else is refused."""

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from covseg.errors import DataError

Pixels = npt.NDArray[np.uint8]

_SMALLEST, _LARGEST = 8, 4096  # pixels per side, the bounds of data.image_size
_RESTORE = "restore the file from the original download"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_MODES = {"I;16": "a 16-bit image", "RGB": "a colour image", "RGBA": "a colour image"}


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
    _check_frame(data, where)
    file = io.BytesIO(data)
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            picture.verify()  # decoding alone does not check the checksums of pixels
        with Image.open(file, formats=["PNG"]) as picture:
            assert isinstance(picture, PngImagePlugin.PngImageFile)
            if picture.mode != "L" or picture.is_animated:
                kind = _MODES.get(picture.mode, f"an image of mode {picture.mode}")
                kind = "an animation" if picture.is_animated else kind
                raise DataError(where, f"is {kind}, not 8-bit grey", "convert it to 8-bit grey")
            return np.asarray(picture)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        reason = str(error).partition(" <")[0]  # without the address of an object
        raise DataError(where, f"is not a readable image ({reason})", _RESTORE) from error


def _check_frame(data: bytes, where: str) -> None:
    """Check what Pillow does not: the end, the coding, and the size before anything is decoded."""
    if not data.startswith(_SIGNATURE) or len(data) < 29:
        raise DataError(where, "is not a PNG image", _RESTORE)
    width, height, compression, interlacing = struct.unpack(">II2xHB", data[16:29])
    if _END not in data or compression != 0 or interlacing > 1:
        raise DataError(where, "is not a readable image (truncated or damaged)", _RESTORE)
    if max(width, height) > _LARGEST or min(width, height) < _SMALLEST:
        cause = f"has {width}x{height} pixels, and covseg reads {_SMALLEST} to {_LARGEST} per side"
        raise DataError(where, cause, _RESTORE)


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
    check_edge(mask, where)
    return mask


def check_edge(mask: Pixels, where: str) -> None:
    """Refuse a mask with black and white swapped.

    Raises:
        DataError: more than half of its edge is white.
    """
    # of the 11,652 masks of COVID-QU-Ex, none has more than 23 % of it, inverted 77 %
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    if edge.sum() > len(edge) / 2:
        raise DataError(
            where,
            "is a mask that is white along most of the image's edge, as if black and white were "
            "swapped",
            "save it with 255 where the lungs or the infection are, and 0 everywhere else",
        )
