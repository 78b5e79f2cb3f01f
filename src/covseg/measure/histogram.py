"""Pixels by probability: precision, recall and calibration at 100 thresholds, from one pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics import Metric

from covseg.csv_files import write_csv
from covseg.measure.counts import Numbers, to_truth_size

N_BINS = 100  # bin k: k / N_BINS < probability <= (k + 1) / N_BINS, the first with 0
_UNIT = 2**24  # float32 has 24 digits
_N_RELIABILITY = 10  # bins of a reliability curve


class ProbabilityHistogram(Metric):
    """Pixels at the size of the truth, by their probability, over all images and processes.

    ``compute`` returns int64 [targets, 3, N_BINS]: negative pixels, positive pixels, and the sum of
    their probabilities in units of 2**-24: a sum of integers depends neither on the order nor on
    the number of processes, and no precision of the network casts it.

    Args:
        n_targets: number of targets.
    """

    full_state_update = False
    is_differentiable = False
    bins: torch.Tensor

    def __init__(self, n_targets: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        empty = torch.zeros(n_targets, 3, N_BINS, dtype=torch.int64)
        self.add_state("bins", default=empty, dist_reduce_fx="sum")
        # as float32, like the probabilities that a threshold is compared with
        self._edges = torch.tensor([k / N_BINS for k in range(1, N_BINS)])

    def update(self, probability: torch.Tensor, truth: torch.Tensor) -> None:
        """Add a batch.

        Args:
            probability: [batch, targets, any height, any width].
            truth: {0, 1} masks at their size on disk, [batch, targets, height, width].
        """
        at_truth = to_truth_size(probability.float(), truth).cpu()
        truth = truth.cpu()
        added = torch.zeros_like(self.bins, device="cpu")
        for target in range(truth.shape[1]):
            values = at_truth[:, target].flatten().contiguous()
            bins = torch.bucketize(values, self._edges)
            both = torch.bincount(bins + N_BINS * truth[:, target].flatten(), minlength=2 * N_BINS)
            sums = torch.bincount(bins, (values.double() * _UNIT).round(), minlength=N_BINS)
            added[target] = torch.cat([both, sums.long()]).reshape(3, N_BINS)
        self.bins += added.to(self.bins.device)

    def compute(self) -> torch.Tensor:
        """The histogram."""
        return self.bins


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

    @classmethod
    def of(cls, bins: npt.NDArray[np.int64]) -> "Histogram":
        """Of one target, as ``ProbabilityHistogram`` gives it, [3, N_BINS]."""
        negative, positive, sums = bins.astype(np.float64)
        return cls(negative, positive, sums / _UNIT)

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
