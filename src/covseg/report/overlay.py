"""An image with a probability in colour, the outline of the prediction and a colour bar."""

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.report.colours import TRUTH

_MAP = (mpl.colormaps["inferno"](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
_STRENGTH = 0.6  # of the colour where the probability is 1
_BAR, _GAP, _TEXT = 14, 8, 30  # widths beside an image of _SIDE pixels
_SIDE = 256


def overlay(image: Pixels, probability: npt.NDArray[np.float32], threshold: float) -> Pixels:
    """Draw a probability over an image.

    Args:
        image: uint8 [height, width].
        probability: [height, width] in [0, 1].
        threshold: prediction = probability > threshold.

    Returns:
        RGB uint8 [height, width + the width of the colour bar, 3].
    """
    picture = _tinted(image, probability)
    outlines, _ = cv2.findContours(
        (probability > threshold).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
    )
    scale = max(1.0, max(image.shape) / _SIDE)
    cv2.drawContours(picture, outlines, -1, TRUTH, round(scale), lineType=cv2.LINE_AA)
    return np.concatenate([picture, _colour_bar(len(image), threshold, scale)], axis=1)


def _tinted(image: Pixels, probability: npt.NDArray[np.float32]) -> Pixels:
    """RGB uint8 [height, width, 3]; the shapes are broadcast."""
    strength = _STRENGTH * probability[..., None]
    colours = _MAP[np.round(probability * 255).astype(int)]
    return np.ascontiguousarray((image[..., None] * (1 - strength) + colours * strength), np.uint8)


def _colour_bar(height: int, threshold: float, scale: float) -> Pixels:
    """The probabilities from 0 to 1 with their colours over mid grey, [height, any width, 3]."""
    left, right, width = (round(scale * n) for n in (_GAP, _GAP + _BAR, _GAP + _BAR + _TEXT))
    panel = np.zeros((height, width, 3), np.uint8)
    values = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    panel[:, left:right] = _tinted(np.full((height, right - left), 128, np.uint8), values)
    ends = {
        1.0: round(12 * scale),
        threshold: round((1 - threshold) * (height - 1)),
        0.0: height - 3,
    }
    cv2.line(panel, (left, ends[threshold]), (right, ends[threshold]), TRUTH, round(scale))
    for value, y in ends.items():
        place = right + round(3 * scale), min(max(y, round(12 * scale)), height - 3)
        cv2.putText(
            *(panel, f"{value:g}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.33 * scale),
            *((255, 255, 255), max(1, round(scale / 2)), cv2.LINE_AA),
        )
    return panel
