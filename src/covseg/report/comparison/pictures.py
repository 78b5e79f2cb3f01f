"""Pictures of the images on which two runs differ most."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.data.index import Key
from covseg.measure.comparison import Comparison, Group
from covseg.measure.scores import dice_of_each, rmse_of_each
from covseg.report.html.thumbnails import embedded
from covseg.report.pictures import side_by_side_runs

Plane = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """The probability of a run for an image, [height, width], and its threshold."""

    probability: Plane
    threshold: float


@dataclass(frozen=True)
class ComparedImage:
    """An image with the truth and what two runs predict."""

    key: Key
    numbers: tuple[str, str]  # of either run
    url: str


def compared_image(
    comparison: Comparison,
    groups: tuple[Group, Group],
    place: int,
    image: Pixels,
    truth: Pixels,
    predictions: tuple[Prediction, Prediction],
) -> ComparedImage:
    """Draw an image.

    Args:
        comparison: of the runs.
        groups: whose first runs are shown.
        place: number of the image.
        image: uint8 [height, width].
        truth: {0, 1} of the same shape.
        predictions: of either run.
    """
    pairs = [(of.probability, of.threshold) for of in predictions]
    first, second = (_numbers(group, place) for group in groups)
    return ComparedImage(
        comparison.keys[place], (first, second), embedded(side_by_side_runs(image, truth, pairs))
    )


def _numbers(group: Group, place: int) -> str:
    counts = group.runs[0].counts
    rmse = f"RMSE {rmse_of_each(counts)[place]:.3f}"
    if not counts.positive[place]:
        return f"{rmse}, {counts.predicted_pixels[place]:,.0f} pixels"
    return f"Dice {dice_of_each(counts)[place]:.3f}, {rmse}"
