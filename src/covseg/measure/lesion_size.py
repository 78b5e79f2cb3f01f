"""Scores of positive images by the size of their lesions: small ones are missed more easily."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from covseg.data.index import Key
from covseg.measure.counts import Numbers
from covseg.measure.intervals import Interval, intervals
from covseg.measure.records import Records
from covseg.measure.scores import SCORES

N_GROUPS = 4
_OF_GROUPS = ("dice_positive", "iou_positive", "recall_pooled", "miss_rate")


@dataclass(frozen=True)
class SizeGroup:
    """Positive images with lesions of a similar size.

    Attributes:
        smallest: share of the image that is infected in the truth.
        largest: likewise.
        n_images: in the group.
        scores: by name, with their 95 % intervals.
    """

    smallest: float
    largest: float
    n_images: int
    scores: Mapping[str, tuple[float | None, Interval]]


def size_groups(
    records: Records, detection_min_pixels: int = 1, families: Mapping[Key, int] | None = None
) -> list[SizeGroup]:
    """Divide the positive images by the infected share of the image into groups of equal number.

    Args:
        records: of one target.
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
        families: a number for each image, equal for copies; None if copies are not known.

    Returns:
        the smallest first; fewer groups where there are fewer positive images, none without any.
    """
    share = infected_share(records)
    positive = np.flatnonzero(share > 0)
    ordered = positive[np.argsort(share[positive], kind="stable")]
    scores = {name: SCORES[name] for name in _OF_GROUPS}
    groups = []
    for places in filter(len, np.array_split(ordered, N_GROUPS)):
        of = records.where(places)
        counts = of.counts(detection_min_pixels)
        related = None if families is None else [families[key] for key in of.keys]
        bounds = intervals(scores, counts, of.patient_class, related)
        values = {name: (score(counts), bounds[name]) for name, score in scores.items()}
        sizes = share[places]
        groups.append(SizeGroup(float(sizes[0]), float(sizes[-1]), len(places), values))
    return groups


def infected_share(records: Records) -> Numbers:
    """Share of each image that is infected in the truth."""
    counts = records.counts()
    return np.asarray(counts.truth_pixels / counts.n_pixels, np.float64)
