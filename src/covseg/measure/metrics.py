"""torchmetrics that collect counts over batches and processes and compute scores from them."""

from collections.abc import Mapping
from typing import Any

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from covseg.measure.counts import FIELDS, Counts, count
from covseg.measure.scores import SCORES, Score


class ImageRecords(Metric):
    """The records of all images of all processes, each exactly once.

    ``compute`` returns float64 [n, 1 + targets * len(FIELDS)]: the row's number in the index (a
    metric state has to be a tensor, so there is no name), then the counts of each target.

    Args:
        threshold: prediction = probability > threshold.
    """

    full_state_update = False
    is_differentiable = False
    records: list[torch.Tensor] | torch.Tensor

    def __init__(self, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold
        self.add_state("records", default=[], dist_reduce_fx="cat")

    def update(self, probability: torch.Tensor, truth: torch.Tensor, row: torch.Tensor) -> None:
        """Add the counts of a batch.

        Args:
            probability: [batch, targets, any height, any width].
            truth: {0, 1} masks at their size on disk, [batch, targets, height, width].
            row: numbers in the index, [batch].
        """
        counts = count(probability, truth, self.threshold)
        assert isinstance(self.records, list)
        self.records.append(torch.cat([row.double()[:, None], counts.flatten(1)], dim=1))

    def compute(self) -> torch.Tensor:
        """The records, in the order of the updates."""
        return dim_zero_cat(self.records)


class ImageScore(ImageRecords):
    """A score over all images, e.g. ``ImageScore(SCORES["rmse_per_image"])``.

    With several targets it is that of the first one. An undefined score is NaN.

    Args:
        score: computed from the counts.
        threshold: prediction = probability > threshold.
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
    """

    def __init__(
        self, score: Score, threshold: float = 0.5, detection_min_pixels: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(threshold, **kwargs)
        self.score, self.detection_min_pixels = score, detection_min_pixels

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]  # torchmetrics has it per class
        """Whether a higher score is better."""
        return not self.score.low_is_good

    def compute(self) -> torch.Tensor:
        """The score, a scalar."""
        values = super().compute()[:, 1 : 1 + len(FIELDS)]
        value = self.score(Counts.of(values.cpu().numpy(), self.detection_min_pixels))
        return torch.tensor(float("nan") if value is None else value, dtype=torch.float64)


def all_scores(
    threshold: float, detection_min_pixels: int, scores: Mapping[str, Score] = SCORES
) -> MetricCollection:
    """All scores as one collection, which detects that their states are equal and shares them."""
    return MetricCollection(
        {name: ImageScore(s, threshold, detection_min_pixels) for name, s in scores.items()}
    )
