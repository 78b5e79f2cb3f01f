"""How the files of a dataset become pixels.

COVID-QU-Ex is 8-bit grey PNGs with masks of 0 and 255, and anything else is a damaged copy of it.
Other data has images of any kind that ``grey`` reads, and masks in one of three forms:

- two values, 0 and one of 1, 255 and 65,535, in a lossless file;
- labels, of which ``mask_values`` names those that belong to a target;
- soft edges or a lossy file, where ``mask_threshold`` says from which value on a pixel belongs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from covseg.data.dicom import begins_as_dicom
from covseg.data.grey import of_bytes, opened
from covseg.data.image import Pixels, check_edge, decode, decode_mask
from covseg.errors import DataError, setting

_LOSSLESS = ("PNG", "TIFF", "BMP")
_FULL = ({1}, {255}, {65535})  # the value of a pixel that belongs, in a mask of two values
_FEW = 16  # values; more are soft edges, not labels
_GREY = 128  # no mask of grey values is darker everywhere
_SMALLEST = 8  # pixels per side
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
        if self.strict:
            return decode(data, where)
        image = of_bytes(data, where)
        if min(image.shape) < _SMALLEST:
            height, width = image.shape
            cause = f"has {width}x{height} pixels, and covseg reads {_SMALLEST} or more per side"
            raise DataError(where, cause, "remove it, or restore the original")
        return image

    def mask(self, data: bytes, where: str, target: str) -> Pixels:
        """The content of a file as a mask, uint8 {0, 1} [height, width].

        Raises:
            DataError: not a mask, or one whose values can mean several things.
        """
        if self.strict:
            return decode_mask(data, where)
        values, kind = _read(data, where)
        mask = self._belongs(values, kind, where, target).astype(np.uint8)
        check_edge(mask, where)
        return mask

    def _belongs(self, values: Values, kind: str, where: str, target: str) -> npt.NDArray[np.bool_]:
        """Whether each pixel belongs to the target."""
        lossless, labelled = kind in _LOSSLESS, target in self.mask_values
        if not lossless and (labelled or self.mask_threshold is None):
            raise DataError(
                where,
                f"is a mask as {kind}, whose edges may not be those that were drawn",
                "use the original, or set data.mask_threshold=128 to take what is 128 or brighter",
            )
        if labelled:
            return np.isin(values, self.mask_values[target])
        present = {int(value) for value in np.unique(values)} - {0}
        if lossless and (not present or present in _FULL):
            return values > 0
        if self.mask_threshold is None:
            raise _ambiguous(present, where, target)
        if present and max(present) < self.mask_threshold:
            raise DataError(
                where,
                f"has no value from data.mask_threshold={self.mask_threshold} on; its largest is "
                f"{max(present)}",
                "set a lower one, or name labels in data.mask_values",
            )
        return values >= self.mask_threshold


def _read(data: bytes, where: str) -> tuple[Values, str]:
    """The values [height, width] of a file, and its format."""
    if begins_as_dicom(data):
        raise DataError(where, "is a mask as DICOM, which covseg does not read", "save it as PNG")
    with opened(data, where) as picture:
        if getattr(picture, "n_frames", 1) > 1:
            raise DataError(where, "has several images in it", "save each mask as its own file")
        return _values(ImageOps.exif_transpose(picture), where), str(picture.format)


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


def _ambiguous(present: Collection[int], where: str, target: str) -> DataError:
    """The refusal of a mask whose values can mean several things."""
    if len(present) >= _FEW:
        return DataError(
            where,
            f"is a mask with soft edges ({len(present)} grey values)",
            "set data.mask_threshold=128 to take what is 128 or brighter",
        )
    some = setting("data.mask_values", {target: sorted(present)})
    greys = ", or set data.mask_threshold=128 if they are grey values"
    return DataError(
        where,
        f"has the values {', '.join(map(str, sorted({0, *present})))}, as a mask of several labels "
        "has",
        f"name those of {target}, as in {some}{greys * (max(present) >= _GREY)}",
    )
