"""The torchmetrics: they gather counts over batches and processes and turn them into a score."""

from typing import Any

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from covseg.measure.counts import FIELDS, Counts, count
from covseg.measure.scores import SCORES


class ImageRecords(Metric):
    """The records of all images of all processes, each exactly once.

    ``compute`` gives float64 [n, 1 + targets * len(FIELDS)]: the row's number in the index (names
    cannot travel between processes), then the counts of each target.

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
        """Count a batch.

        Args:
            probability: [batch, targets, any height, any width].
            truth: {0, 1} at its size on disk, [batch, targets, height, width].
            row: [batch].
        """
        counts = count(probability, truth, self.threshold)
        assert isinstance(self.records, list)
        self.records.append(torch.cat([row.double()[:, None], counts.flatten(1)], dim=1))

    def compute(self) -> torch.Tensor:
        """The records, in the order in which they came."""
        return dim_zero_cat(self.records)


class ImageScore(ImageRecords):
    """One of ``scores.SCORES`` over all images seen: ``ImageScore("rmse_per_image")`` is the RMSE.

    With several targets every image and target is an image of its own. An undefined score is NaN
    here, because a tensor knows no None.

    Args:
        name: of the score.
        threshold: prediction = probability > threshold.
        detection_min_pixels: predicted pixels from which on an image is called infected.
    """

    def __init__(
        self, name: str, threshold: float = 0.5, detection_min_pixels: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(threshold, **kwargs)
        self.score, self.detection_min_pixels = SCORES[name], detection_min_pixels

    @property
    def higher_is_better(self) -> bool:  # type: ignore[override]  # torchmetrics has it per class
        """Whether more of the score is better."""
        return not self.score.low_is_good

    def compute(self) -> torch.Tensor:
        """The score, a scalar."""
        values = super().compute()[:, 1:].reshape(-1, len(FIELDS))
        value = self.score(Counts.of(values.cpu().numpy(), self.detection_min_pixels))
        return torch.tensor(float("nan") if value is None else value, dtype=torch.float64)


def all_scores(threshold: float, detection_min_pixels: int) -> MetricCollection:
    """Every score as one collection; it recognises equal states and counts a batch once."""
    return MetricCollection(
        {name: ImageScore(name, threshold, detection_min_pixels) for name in SCORES}
    )
