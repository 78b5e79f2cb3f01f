"""An image with a probability in colour, the outline of the prediction and a colour bar."""

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.report.colours import PREDICTION
from covseg.report.pictures import outlined, tinted

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
    scale = max(1.0, max(image.shape) / _SIDE)
    picture = tinted(image, probability)
    picture = outlined(picture, probability > threshold, PREDICTION, round(scale))
    return np.concatenate([picture, _colour_bar(len(image), threshold, scale)], axis=1)


def _colour_bar(height: int, threshold: float, scale: float) -> Pixels:
    """The probabilities from 0 to 1 with their colours over mid grey, [height, any width, 3]."""
    left, right, width = (round(scale * n) for n in (_GAP, _GAP + _BAR, _GAP + _BAR + _TEXT))
    panel = np.zeros((height, width, 3), np.uint8)
    values = np.linspace(1, 0, height, dtype=np.float32)[:, None]
    panel[:, left:right] = tinted(np.full((height, right - left), 128, np.uint8), values)
    ends = {
        1.0: round(12 * scale),
        threshold: round((1 - threshold) * (height - 1)),
        0.0: height - 3,
    }
    cv2.line(panel, (left, ends[threshold]), (right, ends[threshold]), PREDICTION, round(scale))
    for value, y in ends.items():
        place = right + round(3 * scale), min(max(y, round(12 * scale)), height - 3)
        cv2.putText(
            *(panel, f"{value:g}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.33 * scale),
            *((255, 255, 255), max(1, round(scale / 2)), cv2.LINE_AA),
        )
    return panel
