"""The difference of two configurations in a score on the same images, with its interval."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from covseg.measure.counts import Counts, Numbers
from covseg.measure.intervals import central, resampled
from covseg.measure.scores import Score

# images that a score has to be of for a claim: a percentile bootstrap of fewer is too narrow. In
# simulations without a difference (tests/measure/test_paired.py) it excludes 0 for 26 % of test
# sets of 8 images, 7 % of 60, and 5 to 6 % of 100 or more
ENOUGH = 100
_Z_SUM = 1.959964 + 0.841621  # two-sided 5 %, power 80 %
_WIDTH = 2 * 1.959964  # of a 95 % interval, in standard errors


@dataclass(frozen=True)
class Paired:
    """The score of one configuration minus that of another.

    Attributes:
        difference: of the means over their runs.
        interval: 95 %, over the choice of images.
        share_of_resamples_better: in which the first is better; a tie counts as half.
        n_images: that were scored.
        n_carrying: images that the score is of, copies of one radiograph as one.
    """

    difference: float
    interval: tuple[float, float]
    share_of_resamples_better: float
    n_images: int
    n_carrying: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0."""
        low, high = self.interval
        return not low <= 0 <= high

    @property
    def enough(self) -> bool:
        """Whether the score is of enough images for the interval to mean what it says."""
        return self.n_carrying >= ENOUGH

    @property
    def distinct(self) -> bool:
        """Whether the interval excludes 0, of enough images for a claim."""
        return self.enough and self.excludes_zero

    @property
    def images_to_settle(self) -> int | None:
        """How many images make the interval exclude 0 in four of five test sets.

        Assumes that this difference is the true one, and other images like these.
        """
        if self.difference == 0:
            return None
        error = (self.interval[1] - self.interval[0]) / _WIDTH
        return int(np.ceil(self.n_images * (_Z_SUM * error / self.difference) ** 2))


def paired(
    score: Score,
    runs: Sequence[Counts],
    references: Sequence[Counts],
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None = None,
) -> Paired | None:
    """Compare the runs of two configurations on resamples of their images.

    Args:
        score: to compare.
        runs: counts of n images, one for each seed.
        references: of the other configuration; the same images in the same order.
        strata: [n], resampled separately.
        families: [n], images with equal values are drawn together.

    Returns:
        None where the score is undefined.
    """
    own, other = (
        [resampled({"": score}, counts, strata, families)[0] for counts in of]
        for of in (runs, references)
    )
    return paired_of(score, runs, references, own, other, families)


def paired_of(
    score: Score,
    runs: Sequence[Counts],
    references: Sequence[Counts],
    columns: Sequence[Numbers],
    reference_columns: Sequence[Numbers],
    families: Sequence[Hashable] | None = None,
) -> Paired | None:
    """Compare two configurations whose runs are resampled already.

    Args:
        score: to compare.
        runs: see :func:`paired`.
        references: likewise.
        columns: the score of each resample, for each of the runs; see ``resampled``.
        reference_columns: likewise, for the references.
        families: see :func:`paired`.

    Returns:
        None where the score is undefined.
    """
    values = [[score(counts) for counts in of] for of in (runs, references)]
    if any(value is None for of in values for value in of):
        return None
    gains = np.mean(columns, axis=0) - np.mean(reference_columns, axis=0)
    gains = gains[np.isfinite(gains)]
    better = gains < 0 if score.low_is_good else gains > 0
    share = float(np.mean(better) + np.mean(gains == 0) / 2)
    own, other = (np.mean(np.array(of, np.float64)) for of in values)
    carrying = score.denominator(runs[0]) + score.denominator(references[0]) > 0
    n_images = len(carrying)
    labels = range(n_images) if families is None else families
    n_carrying = len({label for label, carries in zip(labels, carrying, strict=True) if carries})
    return Paired(float(own - other), central(gains), share, n_images, n_carrying)
