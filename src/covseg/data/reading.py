"""How the files of a dataset become pixels.

COVID-QU-Ex is 8-bit grey PNGs with masks of 0 and 255, and anything else is a damaged copy of it.
Other data has images of any kind that ``grey`` reads, and masks in one of three forms:

- two values, 0 and one of 1, 255 and 65,535, in a lossless file;
- labels, of which ``mask_values`` names those that belong to a target;
- soft edges or a lossy file, where ``mask_threshold`` says from which value on a pixel belongs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from covseg.data.grey import of_bytes, opened
from covseg.data.image import Pixels, check_edge, decode, decode_mask
from covseg.errors import DataError, setting

_LOSSLESS = {"PNG", "TIFF", "BMP"}
_FULL = ({1}, {255}, {65535})  # the value of a pixel that belongs, in a mask of two values
_FEW = 16  # values; more are soft edges, not labels
Values = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Reading:
    """The rules of a dataset.

    Attributes:
        strict: 8-bit grey PNGs with masks of 0 and 255 only, all of one size.
        mask_values: the values that belong to a target, by target.
        mask_threshold: the least value that belongs, of masks of grey values.
        store_size: pixels of the longer side at most, for images; None for any.
    """

    strict: bool = False
    mask_values: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    mask_threshold: int | None = None
    store_size: int | None = None

    @property
    def key(self) -> str:
        """Tells rules apart that give other pixels; empty for rules without a setting."""
        values = [f"{target}:{sorted(of)}" for target, of in sorted(self.mask_values.items())]
        settings = (",".join(values), self.mask_threshold, self.store_size)
        return "" if settings == ("", None, None) else repr(settings)

    def image(self, data: bytes, where: str) -> Pixels:
        """The content of a file as an image at its own size, uint8 [height, width].

        Raises:
            DataError: not an image that the dataset may have.
        """
        return decode(data, where) if self.strict else of_bytes(data, where)

    def mask(self, data: bytes, where: str, target: str) -> Pixels:
        """The content of a file as a mask, uint8 {0, 1} [height, width].

        Raises:
            DataError: not a mask, or one whose values can mean several things.
        """
        if self.strict:
            return decode_mask(data, where)
        lossless, values = _read(data, where)
        labelled = target in self.mask_values
        if not lossless and (labelled or self.mask_threshold is None):
            raise DataError(
                where,
                "is a mask in a lossy format, whose edges are not those that were drawn",
                "use the original, or set data.mask_threshold=128 to take what is 128 or brighter",
            )
        if labelled:
            return np.isin(values, self.mask_values[target]).astype(np.uint8)
        if self.mask_threshold is not None:
            return (values >= self.mask_threshold).astype(np.uint8)
        _check_two(values, where, target)
        mask = (values > 0).astype(np.uint8)
        check_edge(mask, where)
        return mask


def _read(data: bytes, where: str) -> tuple[bool, Values]:
    """Whether a file is lossless, and its values [height, width]."""
    with opened(data, where) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise DataError(where, "has several images in it", "save each mask as its own file")
        return picture.format in _LOSSLESS, _values(ImageOps.exif_transpose(picture), where)


def _values(picture: Image.Image, where: str) -> Values:
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode == "P":  # numbers of colours: labels, unless all colours are grey
        colours = np.asarray(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
        grey = bool((colours == colours[:, :1]).all())
        return np.asarray(picture.convert("L") if grey else picture)
    if picture.mode in {"LA", "RGBA", "PA"}:
        alpha = np.asarray(picture.getchannel("A"))
        if alpha.min() < 255:
            raise DataError(
                where, "is a mask with a transparent part", "save it as black and white, opaque"
            )
        picture = picture.convert("L" if picture.mode == "LA" else "RGB")
    if picture.mode == "RGB":
        colours = np.asarray(picture)
        if (colours != colours[..., :1]).any():
            raise DataError(
                where,
                "is a mask in colours",
                "save it as grey values, one per label, and name those of a target in "
                "data.mask_values",
            )
        return np.asarray(colours[..., 0])
    if picture.mode in {"L", "I"} or picture.mode.startswith("I;16"):
        return np.asarray(picture)
    raise DataError(where, f"is a mask of mode {picture.mode}", "save it as 8-bit grey")


def _check_two(values: Values, where: str, target: str) -> None:
    """Refuse a mask whose values can mean several things."""
    present = {int(value) for value in np.unique(values)} - {0}
    if not present or present in _FULL:
        return
    if len(present) < _FEW:
        some = setting("data.mask_values", {target: sorted(present)})
        raise DataError(
            where,
            f"has the values {', '.join(map(str, sorted({0, *present})))}, as a mask of several "
            "labels has",
            f"name those of {target}, as in {some}, or set data.mask_threshold=128 if they are "
            "grey values",
        )
    raise DataError(
        where,
        f"is a mask with soft edges ({len(present)} grey values)",
        "set data.mask_threshold=128 to take what is 128 or brighter",
    )
