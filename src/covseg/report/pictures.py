"""Pictures of what a network does: image | truth | prediction | error, the same everywhere."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from covseg.files import write_whole
from covseg.report.colours import TRUTH

Rgb = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]

# a palette that colour-blind readers can tell apart (Okabe and Ito)
_PREDICTION = (240, 228, 66)
_HIT, _FALSE_ALARM, _MISSED = (0, 158, 115), (230, 159, 0), (204, 121, 167)
_SIDE = 256  # pixels of a panel
_CAPTION, _GAP = 22, 4  # pixels
_LEGEND = "hit green, false alarm orange, missed pink"
_TITLES = ("image", "truth", "prediction", "error")


def panels(
    image: Plane, truth: Plane, probability: Plane, threshold: float, caption: str = ""
) -> Rgb:
    """Four panels in a row under a caption.

    Args:
        image: [any height, any width] in [0, 1].
        truth: {0, 1} [height, width].
        probability: [any height, any width].
        threshold: prediction = probability > threshold.
        caption: one line.

    Returns:
        RGB uint8 [height, width, 3].
    """
    grey = np.repeat((_square(image) * 255).astype(np.uint8)[..., None], 3, axis=2)
    true, predicted = _square(truth) > 0.5, _square(probability) > threshold
    error = grey.copy()
    for region, colour in (
        (true & predicted, _HIT),
        (~true & predicted, _FALSE_ALARM),
        (true & ~predicted, _MISSED),
    ):
        _tint(error, region, colour)
    row = [grey, _outlined(grey, true, TRUTH), _outlined(grey, predicted, _PREDICTION), error]
    gap = np.full((_SIDE, _GAP, 3), 255, np.uint8)
    body = np.concatenate([part for panel in row for part in (panel, gap)][:-1], axis=1)
    titles = zip(range(0, body.shape[1], _SIDE + _GAP), _TITLES, strict=True)
    texts = [(place, title) for place, title in titles]
    texts[0] = (0, caption or texts[0][1])
    texts[3] = (texts[3][0], _LEGEND)
    return np.concatenate([_line(body.shape[1], texts), body], axis=0)


def stack(rows: list[Rgb]) -> Rgb:
    """Rows of panels below each other."""
    return np.concatenate(rows, axis=0)


def save(picture: Rgb, path: Path) -> None:
    """Write a PNG.

    Raises:
        RunError: the file cannot be written.
    """
    encoded, data = cv2.imencode(".png", picture[..., ::-1])
    assert encoded
    write_whole(path, data.tobytes())


def _square(plane: Plane) -> Plane:
    resized = cv2.resize(np.asarray(plane, np.float32), (_SIDE, _SIDE))
    return np.asarray(resized, np.float32)


def _tint(picture: Rgb, region: Mask, colour: tuple[int, int, int]) -> None:
    picture[region] = (0.45 * picture[region] + 0.55 * np.array(colour)).astype(np.uint8)


def _outlined(grey: Rgb, region: Mask, colour: tuple[int, int, int]) -> Rgb:
    picture = grey.copy()
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, 2, lineType=cv2.LINE_AA)
    return picture


def _line(width: int, texts: list[tuple[int, str]]) -> Rgb:
    strip = np.full((_CAPTION, width, 3), 255, np.uint8)
    for place, text in texts:
        cv2.putText(
            strip,
            text,
            (place + 4, 15),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.36,
            (40, 40, 40),
            1,
            cv2.LINE_AA,
        )
    return strip
