"""One picture of the dataset: an 8-bit grey PNG becomes pixels, or a sentence says what it is."""

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from covseg.errors import DataError

Pixels = npt.NDArray[np.uint8]

_SMALLEST, _LARGEST = 8, 4096  # pixels a side, the bounds of data.image_size
_RESTORE = "restore the file from the original download"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\0\0\0\0IEND\xaeB\x60\x82"  # Pillow reads on without it
_MODES = {  # Pillow's words
    "1": "a picture of 1 bit",
    "I;16": "a picture of 16 bits",
    "LA": "a grey picture with transparency",
    "P": "a picture with a palette",
    "RGB": "a picture in colour",
    "RGBA": "a picture in colour with transparency",
}


def decode(data: bytes, where: str) -> Pixels:
    """The pixels of an 8-bit grey PNG.

    Args:
        data: the file.
        where: the file's name, for the sentence.

    Returns:
        uint8 [height, width].

    Raises:
        DataError: no PNG, a damaged one, or one of another kind or an impossible size.
    """
    _check_header(data, where)
    file = io.BytesIO(data)
    try:
        with Image.open(file, formats=["PNG"]) as picture:
            picture.verify()  # decoding alone does not look at the checksums of pixels
        with Image.open(file, formats=["PNG"]) as picture:
            assert isinstance(picture, PngImagePlugin.PngImageFile)
            if picture.is_animated:
                raise DataError(where, f"is an animation of {picture.n_frames} pictures", _RESTORE)
            if picture.mode == "L":
                return np.asarray(picture)
            mode = picture.mode
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise DataError(where, f"is not a readable image ({_reason(error)})", _RESTORE) from error
    raise DataError(
        where,
        f"is {_MODES.get(mode, f'a picture of mode {mode}')} where 8-bit grey is expected",
        "convert it to 8-bit grey",
    )


def _reason(error: Exception) -> str:
    """Pillow's reason, in plain words where it is one of the two usual ones."""
    said = str(error)
    if "checksum" in said:
        return "its checksum is wrong"
    return "truncated" if "BytesIO" in said or "truncated" in said.lower() else said


def decode_mask(data: bytes, where: str) -> Pixels:
    """The pixels of a mask, uint8 {0, 1} [height, width].

    Raises:
        DataError: as ``decode``, or values other than 0 and 255, or black and white swapped.
    """
    mask = decode(data, where)
    if not np.all((mask == 0) | (mask == 255)):
        found = sorted({int(v) for v in np.unique(mask)} - {0, 255})
        if mask.max() == 1:
            raise DataError(where, "is a mask of 0 and 1 where white is 255", "multiply it by 255")
        raise DataError(
            where,
            f"is a mask with other values than 0 and 255 ({found[0]} among them)",
            "restore the file, or save it as a lossless black and white PNG",
        )
    mask = (mask > 0).astype(np.uint8)
    if _framed(mask):
        raise DataError(
            where,
            "is a mask that is white along most of the picture's edge, so black and white seem to "
            "be swapped",
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
    """Refuse, before anything is decoded, what the first bytes show."""
    if not data:
        raise DataError(where, "is an empty file", _RESTORE)
    if not data.startswith(_SIGNATURE):
        if _SIGNATURE.startswith(data):
            raise DataError(where, "is not a readable image (truncated)", _RESTORE)
        try:
            with Image.open(io.BytesIO(data)) as picture:
                kind = f"a {picture.format} picture that is called .png"
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError):
            kind = "no picture at all"
        raise DataError(where, f"is {kind}", _RESTORE)
    if len(data) < 29 or _END not in data:
        raise DataError(where, "is not a readable image (truncated)", _RESTORE)
    if data[26:28] != b"\0\0" or data[28] > 1:  # compression, filter, interlacing: Pillow reads on
        raise DataError(where, "is not a readable image (its header is damaged)", _RESTORE)
    width, height = struct.unpack(">II", data[16:24])
    if max(width, height) > _LARGEST or min(width, height) < _SMALLEST:
        raise DataError(
            where,
            f"has {width}x{height} pixels, where covseg reads {_SMALLEST} to {_LARGEST} a side",
            _RESTORE,
        )
