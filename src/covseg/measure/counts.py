"""A batch of probabilities becomes counts: seven numbers per image and target.

Every score that covseg prints is computed from these numbers; all definitions are here and in
``scores.py``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

Numbers = npt.NDArray[np.float64]

FIELDS = ("n_pixels", "truth_pixels", "tp", "fp", "fn", "absolute_error", "squared_error")


def ratio(above: Numbers, below: Numbers) -> Numbers:
    """Ratio of each pair of numbers, NaN where ``below`` is 0."""
    out = np.full(np.shape(below), np.nan)
    return np.asarray(np.divide(above, below, out=out, where=below > 0), np.float64)


def to_truth_size(probability: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Resize a probability bilinearly to the size of the truth, which is never resized itself.

    Args:
        probability: [batch, targets, any height, any width].
        truth: [batch, targets, height, width].
    """
    if probability.shape[-2:] == truth.shape[-2:]:
        return probability
    return F.interpolate(probability, truth.shape[-2:], mode="bilinear", align_corners=False)


def count(
    probability: torch.Tensor, truth: torch.Tensor, threshold: float | torch.Tensor
) -> torch.Tensor:
    """Count the pixels and sum the errors of each image and target.

    Args:
        probability: [batch, targets, any height, any width], any dtype.
        truth: {0, 1} masks at their size on disk, [batch, targets, height, width].
        threshold: prediction = probability > threshold; a tensor has to broadcast with ``truth``.

    Returns:
        float64 [batch, targets, len(FIELDS)].
    """
    probability = to_truth_size(probability.float(), truth)
    positive, predicted = truth.bool(), probability > threshold
    error = (probability - truth.float()).abs().double()
    plane = (-2, -1)
    n_truth, n_predicted = positive.sum(plane), predicted.sum(plane)
    tp = (predicted & positive).sum(plane)
    n_pixels = torch.full_like(tp, truth.shape[-2] * truth.shape[-1])
    whole = torch.stack([n_pixels, n_truth, tp, n_predicted - tp, n_truth - tp], dim=-1)
    errors = torch.stack([error.sum(plane), error.square().sum(plane)], dim=-1)
    return torch.cat([whole.double(), errors], dim=-1)


@dataclass(frozen=True)
class Counts:
    """The counts of n images, one array per field; float64 [n] each.

    Attributes:
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
    """

    n_pixels: Numbers
    truth_pixels: Numbers
    tp: Numbers
    fp: Numbers
    fn: Numbers
    absolute_error: Numbers
    squared_error: Numbers
    detection_min_pixels: int = 1

    @classmethod
    def of(cls, values: Numbers, detection_min_pixels: int = 1) -> "Counts":
        """Create from an array [n, len(FIELDS)]."""
        fields: dict[str, Any] = dict(zip(FIELDS, np.asarray(values, np.float64).T, strict=True))
        return cls(**fields, detection_min_pixels=detection_min_pixels)

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """Whether the truth mask of an image is not empty."""
        return self.truth_pixels > 0

    @property
    def predicted_pixels(self) -> Numbers:
        """Number of predicted pixels of an image."""
        return self.tp + self.fp

    @property
    def called_infected(self) -> npt.NDArray[np.bool_]:
        """Whether the prediction has enough pixels to call the image infected."""
        return self.predicted_pixels >= self.detection_min_pixels
