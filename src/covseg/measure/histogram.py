"""Pixels by probability: precision, recall and calibration at 100 thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from covseg.csv_files import write_csv
from covseg.measure.counts import Numbers

N_BINS = 100  # bin k: k / N_BINS < probability <= (k + 1) / N_BINS, the first with 0
_N_RELIABILITY = 10  # bins of a reliability curve


@dataclass(frozen=True)
class Histogram:
    """The histogram of one target; float64 [N_BINS] each.

    Attributes:
        negative: pixels that are 0 in the truth.
        positive: pixels that are 1 in the truth.
        probability_sum: of the pixels of both kinds.
    """

    negative: Numbers
    positive: Numbers
    probability_sum: Numbers

    @property
    def thresholds(self) -> Numbers:
        """The thresholds that all counts below are for: 0.01, ... 0.99, and 0 for every pixel."""
        return np.arange(N_BINS) / N_BINS

    @property
    def tp(self) -> Numbers:
        """Positive pixels with a probability above each threshold."""
        return _from_above(self.positive)

    @property
    def fp(self) -> Numbers:
        """Negative pixels with a probability above each threshold."""
        return _from_above(self.negative)

    @property
    def fn(self) -> Numbers:
        """The other positive pixels."""
        return np.asarray(self.positive.sum() - self.tp, np.float64)

    @property
    def tn(self) -> Numbers:
        """The other negative pixels."""
        return np.asarray(self.negative.sum() - self.fp, np.float64)

    @property
    def precision(self) -> Numbers:
        """Share of the predicted pixels that are positive; 1 where none is predicted."""
        predicted = self.tp + self.fp
        return np.divide(self.tp, predicted, out=np.ones(N_BINS), where=predicted > 0)

    @property
    def recall(self) -> Numbers:
        """Share of the positive pixels that are predicted; NaN without any."""
        total = self.positive.sum()
        return self.tp / total if total else np.full(N_BINS, np.nan)

    def reliability(self) -> npt.NDArray[np.float64]:
        """Mean probability, share of positive pixels, and pixels, of each bin that has any.

        Returns:
            [bins, 3]; ten bins of equal width at most.
        """
        merged = [
            values.reshape(_N_RELIABILITY, -1).sum(axis=1)
            for values in (self.probability_sum, self.positive, self.positive + self.negative)
        ]
        sums, positive, pixels = (values[merged[2] > 0] for values in merged)
        return np.stack([sums / pixels, positive / pixels, pixels], axis=1)

    @property
    def calibration_error(self) -> float:
        """Mean distance of the reliability curve from the diagonal, weighted by pixels."""
        predicted, true, pixels = self.reliability().T
        return float(np.average(np.abs(predicted - true), weights=pixels))


def write_histogram(histograms: Mapping[str, Histogram], path: Path) -> None:
    """Write ``histogram.csv``: one row per target and bin."""
    columns = ["target", "above", "up_to", "negative", "positive", "probability_sum"]
    rows = (
        [target, k / N_BINS, (k + 1) / N_BINS, int(negative), int(positive), float(total)]
        for target, of in histograms.items()
        for k, (negative, positive, total) in enumerate(
            zip(of.negative, of.positive, of.probability_sum, strict=True)
        )
    )
    write_csv(path, columns, rows)


def _from_above(values: Numbers) -> Numbers:
    return np.asarray(values[::-1].cumsum()[::-1], np.float64)
