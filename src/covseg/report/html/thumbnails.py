"""Thumbnails of radiographs with outlines of their masks, embedded in a page."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from covseg.data.image import Pixels
from covseg.report.colours import LUNG, TRUTH, Colour

_SIDE = 256  # maximum of the longer side, in pixels
_GAP = 4  # pixels between two pictures
_QUALITY = 80  # of WebP, in per cent

Outline = tuple[Pixels, Colour, int]  # mask, colour, thickness


def outlines(lesion: Pixels, lung: Pixels) -> list[Outline]:
    """Outlines of both masks, the lesion drawn over the lungs."""
    return [(lung, LUNG, 1), (lesion, TRUTH, 2)]


def outlined(image: Pixels, masks: Sequence[Outline] = ()) -> Pixels:
    """Shrink an image and draw outlines on it.

    Args:
        image: uint8 [height, width].
        masks: each {0, 1} of the same shape.

    Returns:
        RGB uint8 [height, width, 3], with at most 256 pixels per side.
    """
    height, width = image.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    picture = np.repeat(small[..., None], 3, axis=2)
    for mask, colour, thickness in masks:
        plane = cv2.resize(np.ascontiguousarray(mask), size, interpolation=cv2.INTER_NEAREST_EXACT)
        contours, _ = cv2.findContours(plane, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, colour, thickness, lineType=cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def side_by_side(left: Pixels, right: Pixels) -> Pixels:
    """Two pictures as one, on grey, their upper edges in one line."""
    height, width = max(len(left), len(right)), left.shape[1] + _GAP + right.shape[1]
    both = np.full((height, width, 3), 128, np.uint8)
    both[: len(left), : left.shape[1]] = left
    both[: len(right), -right.shape[1] :] = right
    return both


def embedded(picture: Pixels) -> str:
    """An RGB picture as a ``data:`` URL, for the ``src`` of an ``<img>``."""
    encoded, data = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert encoded
    return f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}"
