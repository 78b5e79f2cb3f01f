"""A statistic of many images in seven numbers, by split and class."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.data.index import Index
from covseg.data.layout import PATIENT_CLASSES, SPLITS

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quantiles:
    """Percentiles of the images that have the statistic; at least one has."""

    n_images: int
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


def by_group(values: Numbers, index: Index) -> Mapping[tuple[str, str], Quantiles]:
    """The quantiles of each split and class that has images.

    Args:
        values: of each row of the index, NaN where the statistic is missing.
        index: the rows.
    """
    splits = np.array([row.split for row in index.rows])
    classes = np.array([row.patient_class for row in index.rows])
    found: dict[tuple[str, str], Quantiles] = {}
    for split in SPLITS:
        for patient_class in PATIENT_CLASSES:
            here = values[(splits == split) & (classes == patient_class)]
            here = here[np.isfinite(here)]
            if len(here):
                cuts = np.percentile(here, [5, 25, 50, 75, 95])
                found[split, patient_class] = Quantiles(len(here), *map(float, cuts))
    return found
