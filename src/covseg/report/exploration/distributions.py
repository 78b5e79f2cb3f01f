"""The distribution of a statistic as percentiles, by split and class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.data.index import Index

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantiles:
    """Percentiles over the images that have the statistic, of which there is at least one."""

    n_images: int
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


def by_group(values: Numbers, index: Index) -> Mapping[tuple[str, str], Quantiles]:
    """The quantiles of each split and class with images.

    Args:
        values: one per row of the index, NaN if the image does not have the statistic.
        index: its rows have the splits and classes.
    """
    splits = np.array([row.split for row in index.rows])
    classes = np.array([row.patient_class for row in index.rows])
    groups: dict[tuple[str, str], Quantiles] = {}
    for split in index.splits:
        for patient_class in index.classes:
            chosen = (splits == split) & (classes == patient_class) & np.isfinite(values)
            if n_images := int(chosen.sum()):
                percentiles = np.percentile(values[chosen], [5, 25, 50, 75, 95]).tolist()
                groups[split, patient_class] = Quantiles(n_images, *percentiles)
    return groups
