"""Dice and IoU of a run by every way of averaging that papers on this data use.

All are computed from the counts of the images, in the order of ``per_image.csv``: by split, class
and name, as on disk. Of batches, an empty prediction on empty masks counts as 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from covseg.measure.counts import Counts, Numbers, ratio


@dataclass(frozen=True)
class Convention:
    """A way of averaging.

    Attributes:
        meaning: definition in one line.
        average: (counts, value of each of n sets of pixels) -> the average. The value of a set is
            computed from its true positive, false positive and false negative pixels.
    """

    meaning: str
    average: Callable[[Counts, "Overlap"], float]

    def dice(self, counts: Counts) -> float:
        """Dice of these images; NaN where it is undefined."""
        return self.average(counts, _dice)

    def iou(self, counts: Counts) -> float:
        """IoU of these images; NaN where it is undefined."""
        return self.average(counts, _iou)


Overlap = Callable[[Numbers, Numbers, Numbers], Numbers]  # tp, fp, fn -> NaN where all are 0


def _dice(tp: Numbers, fp: Numbers, fn: Numbers) -> Numbers:
    return ratio(2 * tp, 2 * tp + fp + fn)


def _iou(tp: Numbers, fp: Numbers, fn: Numbers) -> Numbers:
    return ratio(tp, tp + fp + fn)


def _positive(counts: Counts, overlap: Overlap) -> float:
    values = overlap(counts.tp, counts.fp, counts.fn)[counts.positive]
    return float(values.mean()) if len(values) else np.nan


def _all(empty: float, counts: Counts, overlap: Overlap) -> float:
    return float(np.nan_to_num(overlap(counts.tp, counts.fp, counts.fn), nan=empty).mean())


def _pooled(counts: Counts, overlap: Overlap) -> float:
    return float(overlap(*(np.asarray(n.sum()) for n in (counts.tp, counts.fp, counts.fn))))


def _batches(size: int, counts: Counts, overlap: Overlap) -> float:
    starts = range(0, len(counts.tp), size)
    sums = (np.add.reduceat(n, starts) for n in (counts.tp, counts.fp, counts.fn))
    return float(np.nan_to_num(overlap(*sums), nan=1.0).mean())


def _two_classes(counts: Counts, overlap: Overlap) -> float:
    tp, fp, fn = (np.asarray(n.sum()) for n in (counts.tp, counts.fp, counts.fn))
    tn = np.asarray(counts.n_pixels.sum()) - tp - fp - fn
    return float((overlap(tp, fp, fn) + overlap(tn, fn, fp)) / 2)


CONVENTIONS: dict[str, Convention] = {
    "positive": Convention("mean over positive images", _positive),
    "all, empty = 1": Convention(
        "mean over all images, an empty prediction on an empty mask counts as 1", partial(_all, 1.0)
    ),
    "all, empty = 0": Convention(
        "mean over all images, an empty prediction on an empty mask counts as 0", partial(_all, 0.0)
    ),
    "pooled": Convention("of all pixels together", _pooled),
    **{
        f"batches of {size}": Convention(
            f"mean over batches of {size} in the order on disk, the pixels of a batch together",
            partial(_batches, size),
        )
        for size in (8, 16, 32)
    },
    "with background, pooled": Convention(
        "mean of the target and the background, each of all pixels together", _two_classes
    ),
}
