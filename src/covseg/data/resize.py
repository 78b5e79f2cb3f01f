"""Images and masks at other sizes, and in the square that a network takes."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from covseg.data.image import Pixels
from covseg.data.planes import Size

# loader workers and ranks resize in parallel already; OpenCV's threads would compete with them
cv2.setNumThreads(0)


def resize_image(image: Pixels, size: Size) -> Pixels:
    """Resize a grey image: by area where it shrinks, bilinearly where it grows."""
    if image.shape == size:
        return image
    shrinks = size[0] < image.shape[0] and size[1] < image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=interpolation), np.uint8)


def resize_mask(mask: Pixels, size: Size) -> Pixels:
    """Resize a {0, 1} mask.

    INTER_NEAREST_EXACT, because plain INTER_NEAREST shifts the mask by half a cell.
    """
    if mask.shape == size:
        return mask
    resized = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(resized, np.uint8)


def shrunk(image: Pixels, longest: int | None) -> Pixels:
    """An image with a longer side of ``longest`` pixels at most; None for any."""
    longer = max(image.shape)
    if longest is None or longer <= longest:
        return image
    height, width = (max(1, round(side * longest / longer)) for side in image.shape)
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


@dataclass(frozen=True)
class Square:
    """The square that a network takes.

    Attributes:
        side: in pixels.
        pad: keep the proportions of an image, with black beside it; otherwise stretch it.
    """

    side: int
    pad: bool = False

    def part(self, size: Size) -> tuple[slice, slice]:
        """Rows and columns that an image of this size fills."""
        if not self.pad:
            return slice(0, self.side), slice(0, self.side)
        height, width = (max(1, round(n * self.side / max(size))) for n in size)
        top, left = (self.side - height) // 2, (self.side - width) // 2
        return slice(top, top + height), slice(left, left + width)

    def image(self, image: Pixels, truth_size: Size) -> Pixels:
        """An image as the network takes it, where its masks are of this size."""
        return self._filled(resize_image, image, truth_size)

    def mask(self, mask: Pixels) -> Pixels:
        """A mask, for the loss."""
        height, width = mask.shape
        return self._filled(resize_mask, mask, (height, width))

    def _filled(
        self, resize: Callable[[Pixels, Size], Pixels], plane: Pixels, size: Size
    ) -> Pixels:
        if not self.pad:
            return resize(plane, (self.side, self.side))
        rows, columns = self.part(size)
        resized = resize(plane, (rows.stop - rows.start, columns.stop - columns.start))
        square = np.zeros((self.side, self.side), np.uint8)
        square[rows, columns] = resized
        return square
