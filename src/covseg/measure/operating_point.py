"""From a probability to a decision: the threshold, and the pixels that call an image infected."""

from dataclasses import dataclass

import numpy as np

from covseg.measure.counts import Counts
from covseg.measure.thresholds import OverThresholds


@dataclass(frozen=True)
class OperatingPoint:
    """What turns probabilities into predictions, and predictions into called images.

    Attributes:
        threshold: prediction = probability > threshold.
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
        chosen_on: the split that chose them, None if the configuration sets both.
    """

    threshold: float
    detection_min_pixels: int
    chosen_on: str | None = None


def choose_threshold(of: OverThresholds) -> float:
    """The best threshold on these images; 0.5 where none finds a positive pixel."""
    return 0.5 if of.best is None else of.best[0]


def choose_min_pixels(counts: Counts) -> int:
    """The number of pixels with the largest sensitivity plus specificity, the smallest of several.

    1 where there are no positive or no negative images.
    """
    positive, predicted = counts.positive, counts.predicted_pixels
    if positive.all() or not positive.any():
        return 1
    # the prediction of an image stops to count at one pixel more than it has
    candidates = np.unique([1, *predicted + 1])
    called = predicted[:, None] >= candidates
    both = called[positive].mean(axis=0) + (~called[~positive]).mean(axis=0)
    return int(candidates[both.argmax()])
