"""Pictures of predictions: image | truth | probability | error, the same everywhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from lightning.pytorch.loggers import Logger

from covseg.data.image import Pixels
from covseg.files import write_whole
from covseg.report.best_effort import best_effort
from covseg.report.colours import PREDICTION, TRUTH, Colour

Mask = npt.NDArray[np.bool_]
Plane = npt.NDArray[np.float32]

_HIT: Colour = (0, 158, 115)
_FALSE_ALARM: Colour = (230, 159, 0)
_MISSED: Colour = (204, 121, 167)
_SIDE = 256  # pixels per side of a panel
_CAPTION, _GAP = 22, 4  # height of the caption, width of the gap between panels, in pixels
_STRENGTH = 0.6  # of the colour where the probability is 1
_MAP = (mpl.colormaps["inferno"](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
_LEGEND = "hit green, false alarm orange, missed pink"


def panels(
    image: Plane, truth: Plane, probability: Plane, threshold: float, caption: str = ""
) -> Pixels:
    """Draw four panels in a row below a caption.

    The arguments are those of :func:`row`, and a caption that replaces the title of the first.
    """
    body = row(image, truth, probability, threshold)
    titles = (caption or "image", "truth", f"probability, outlined at {threshold:g}", _LEGEND)
    texts = list(zip(range(0, body.shape[1], _SIDE + _GAP), titles, strict=True))
    return np.concatenate([_text_line(body.shape[1], texts), body], axis=0)


def row(image: Plane, truth: Plane, probability: Plane, threshold: float) -> Pixels:
    """Draw four panels in a row: image, truth, probability with the prediction's outline, error.

    Args:
        image: [any height, any width] in [0, 1].
        truth: {0, 1} [height, width].
        probability: [any height, any width].
        threshold: prediction = probability > threshold.

    Returns:
        RGB uint8 [height, width, 3].
    """
    plane, certain = _square(image), _square(probability)
    grey = np.repeat((plane * 255).astype(np.uint8)[..., None], 3, axis=2)
    true, predicted = _square(truth) > 0.5, certain > threshold
    error = grey.copy()
    for region, colour in (
        (true & predicted, _HIT),
        (~true & predicted, _FALSE_ALARM),
        (true & ~predicted, _MISSED),
    ):
        _tint(error, region, colour)
    probable = _probable(grey[..., 0], certain, threshold)
    return _joined([grey, outlined(grey, true, TRUTH), probable, error])


def side_by_side_runs(
    image: Pixels, truth: Plane | Pixels, predictions: Sequence[tuple[Plane, float]]
) -> Pixels:
    """Draw an image with the outline of the truth, then the probability of each run.

    Args:
        image: uint8 [height, width].
        truth: {0, 1} [height, width].
        predictions: the probability of a run, [any height, any width], and its threshold.

    Returns:
        RGB uint8 [height, width, 3].
    """
    grey = (_square(np.asarray(image, np.float32))).astype(np.uint8)
    plain = np.repeat(grey[..., None], 3, axis=2)
    parts = [outlined(plain, _square(np.asarray(truth, np.float32)) > 0.5, TRUTH)]
    parts += [_probable(grey, _square(of), threshold) for of, threshold in predictions]
    return _joined(parts)


def tinted(image: Pixels, probability: Plane) -> Pixels:
    """An image with a probability in colour over it, RGB uint8 [height, width, 3].

    Args:
        image: uint8 [height, width].
        probability: in [0, 1], in a shape that broadcasts with it; NaN has no colour.
    """
    probability = np.nan_to_num(probability)
    strength = _STRENGTH * probability[..., None]
    colours = _MAP[np.round(probability * 255).astype(int)]
    return np.ascontiguousarray((image[..., None] * (1 - strength) + colours * strength), np.uint8)


def outlined(picture: Pixels, region: Mask, colour: Colour, thickness: int = 2) -> Pixels:
    """A copy of a picture with the outline of a region on it."""
    picture = picture.copy()
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, colour, thickness, lineType=cv2.LINE_AA)
    return picture


def stack(rows: list[Pixels]) -> Pixels:
    """Concatenate rows of panels vertically."""
    return np.concatenate(rows, axis=0)


def save(picture: Pixels, path: Path) -> None:
    """Write a PNG.

    Raises:
        RunError: the file cannot be written.
    """
    encoded, data = cv2.imencode(".png", picture[..., ::-1])
    assert encoded
    write_whole(path, data.tobytes())


def picture_of_epoch(out: Path, epoch: int) -> Path:
    """The file with the pictures of an epoch, the first of which is 1, in a run folder."""
    return out / "pictures" / f"epoch_{epoch:03d}.png"


def log_picture(logger: Logger, picture: Pixels, step: int) -> None:
    """Log a picture if the logger supports pictures; a failure is only a warning.

    A logger does if it has ``log_image``, as Lightning's WandbLogger, or if its ``experiment`` has
    ``add_image``, as TensorBoard's SummaryWriter.

    Args:
        logger: any of Lightning's loggers, or a user's own.
        picture: RGB uint8 [height, width, 3].
        step: optimizer step.
    """
    with best_effort(f"a picture to {type(logger).__name__}", "it is in pictures/"):
        experiment: Any = getattr(logger, "experiment", None)
        if hasattr(logger, "log_image"):
            logger.log_image("pictures", [picture], step=step)
        elif hasattr(experiment, "add_image"):
            experiment.add_image("pictures", picture, step, dataformats="HWC")


def _probable(grey: Pixels, probability: Plane, threshold: float) -> Pixels:
    """A probability in colour over an image of its size, with the outline of the prediction."""
    return outlined(tinted(grey, probability), probability > threshold, PREDICTION)


def _joined(parts: Sequence[Pixels]) -> Pixels:
    """Panels in a row, with gaps between them."""
    gap = np.full((_SIDE, _GAP, 3), 255, np.uint8)
    return np.concatenate([part for panel in parts for part in (panel, gap)][:-1], axis=1)


def _square(plane: Plane) -> Plane:
    resized = cv2.resize(np.asarray(plane, np.float32), (_SIDE, _SIDE))
    return np.asarray(resized, np.float32)


def _tint(picture: Pixels, region: Mask, colour: Colour) -> None:
    picture[region] = (0.45 * picture[region] + 0.55 * np.array(colour)).astype(np.uint8)


def _text_line(width: int, texts: list[tuple[int, str]]) -> Pixels:
    line = np.full((_CAPTION, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    for x, text in texts:
        cv2.putText(line, text, (x + 4, 15), font, 0.36, (40, 40, 40), 1, cv2.LINE_AA)
    return line
