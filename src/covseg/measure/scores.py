"""The scores: each is a ratio of two sums over images, or the square root of one.

Values, bootstrap intervals and several processes all work with these sums. A new score is an entry
in ``SCORES``: the summary, its table, the logged names and what callbacks may monitor follow from
it. A score whose denominator is 0 is undefined: None, never 0, -1 or NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.measure.counts import Counts, Numbers

OBJECTIVE = "rmse_per_image"  # minimised, on Val


@dataclass(frozen=True)
class Score:
    """A score of a set of images, with values in [0, 1]."""

    meaning: str  # definition in one line
    numerator: Callable[[Counts], Numbers]  # one number per image, float64 [n]
    denominator: Callable[[Counts], Numbers]
    root: bool = False  # whether the score is the square root of the ratio
    rate: bool = False  # whether it is a share of images; its interval is then Wilson's
    low_is_good: bool = False

    def __call__(self, counts: Counts) -> float | None:
        """The score of these images, None where it is undefined."""
        below = float(self.denominator(counts).sum())
        if below == 0:
            return None
        ratio = float(self.numerator(counts).sum()) / below
        return float(np.sqrt(ratio)) if self.root else ratio


def _of_all(c: Counts) -> Numbers:
    return np.ones_like(c.n_pixels)


def _ones(chosen: npt.NDArray[np.bool_]) -> Numbers:
    return chosen.astype(np.float64)


def _of_positives(c: Counts) -> Numbers:
    return _ones(c.positive)


def _of_negatives(c: Counts) -> Numbers:
    return _ones(~c.positive)


def _pixels(c: Counts) -> Numbers:
    return c.n_pixels


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    """Ratio for each image; an empty prediction on an empty mask (0/0) counts as 1."""
    return np.divide(above, below, out=np.ones_like(above), where=below > 0)


def rmse_of_each(c: Counts) -> Numbers:
    """Root mean squared error of each image."""
    return np.asarray(np.sqrt(c.squared_error / c.n_pixels), np.float64)


def dice_of_each(c: Counts) -> Numbers:
    """Dice of each image."""
    return _ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def iou_of_each(c: Counts) -> Numbers:
    """IoU of each image."""
    return _ratio(c.tp, c.tp + c.fp + c.fn)


SCORES: dict[str, Score] = {
    "rmse_per_image": Score(
        "mean over images of the root mean squared error of an image",
        rmse_of_each,
        _of_all,
        low_is_good=True,
    ),
    "rmse_pooled": Score(
        "root mean squared error over all pixels",
        lambda c: c.squared_error,
        _pixels,
        root=True,
        low_is_good=True,
    ),
    "mae": Score(
        "mean absolute error over all pixels",
        lambda c: c.absolute_error,
        _pixels,
        low_is_good=True,
    ),
    "dice_positive": Score(
        "mean Dice of positive images", lambda c: dice_of_each(c) * _of_positives(c), _of_positives
    ),
    "iou_positive": Score(
        "mean IoU of positive images", lambda c: iou_of_each(c) * _of_positives(c), _of_positives
    ),
    "dice_all": Score("mean Dice of all images, empty on empty counts as 1", dice_of_each, _of_all),
    "iou_all": Score("mean IoU of all images, empty on empty counts as 1", iou_of_each, _of_all),
    "dice_pooled": Score(
        "Dice of all pixels together", lambda c: 2 * c.tp, lambda c: 2 * c.tp + c.fp + c.fn
    ),
    "iou_pooled": Score("IoU of all pixels together", lambda c: c.tp, lambda c: c.tp + c.fp + c.fn),
    "precision_pooled": Score(
        "share of predicted pixels that are positive", lambda c: c.tp, lambda c: c.tp + c.fp
    ),
    "recall_pooled": Score(
        "share of positive pixels that are predicted", lambda c: c.tp, lambda c: c.tp + c.fn
    ),
    "false_alarm_rate": Score(
        "share of negative images with any predicted pixel",
        lambda c: _ones(~c.positive & (c.predicted_pixels > 0)),
        _of_negatives,
        rate=True,
        low_is_good=True,
    ),
    "miss_rate": Score(
        "share of positive images with an empty prediction",
        lambda c: _ones(c.positive & (c.predicted_pixels == 0)),
        _of_positives,
        rate=True,
        low_is_good=True,
    ),
    "detection_sensitivity": Score(
        "share of positive images called positive",
        lambda c: _ones(c.positive & c.called_infected),
        _of_positives,
        rate=True,
    ),
    "detection_specificity": Score(
        "share of negative images not called positive",
        lambda c: _ones(~c.positive & ~c.called_infected),
        _of_negatives,
        rate=True,
    ),
}


def monitored(scores: Mapping[str, Score] = SCORES) -> dict[str, bool]:
    """Logged names that a callback may monitor, and whether lower is better."""
    return {
        **{f"val/{name}": score.low_is_good for name, score in scores.items()},
        **dict.fromkeys(("val/loss", "train/loss", "train/rmse"), True),
    }
