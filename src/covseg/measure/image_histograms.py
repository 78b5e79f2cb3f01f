"""The pixels of every image by their probability, collected while an image is scored anyway.

All that is shown over a threshold follows from it, without a second pass over the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from covseg.measure.counts import Numbers, to_truth_size
from covseg.measure.histogram import N_BINS, Histogram

_UNIT = 2**24  # float32 has 24 digits


class ProbabilityHistograms(Metric):
    """Pixels at the size of the truth, by their probability, of all images of all processes.

    All numbers are integers, whose sums depend neither on the order nor on the number of processes,
    and which no precision of the network casts.

    ``compute`` returns int32 [n, 1 + targets * 2 * N_BINS], the row's number in the index and the
    negative and positive pixels of each target; and int64 [targets, N_BINS], the probabilities of
    all images in units of 2**-24.

    Args:
        n_targets: number of targets.
    """

    full_state_update = False
    is_differentiable = False
    images: list[torch.Tensor] | torch.Tensor
    sums: torch.Tensor

    def __init__(self, n_targets: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("images", default=[], dist_reduce_fx="cat")
        empty = torch.zeros(n_targets, N_BINS, dtype=torch.int64)
        self.add_state("sums", default=empty, dist_reduce_fx="sum")
        # as float32, like the probabilities that a threshold is compared with
        self._edges = torch.tensor([k / N_BINS for k in range(1, N_BINS)])

    def update(self, probability: torch.Tensor, truth: torch.Tensor, row: torch.Tensor) -> None:
        """Add a batch.

        Args:
            probability: [batch, targets, any height, any width].
            truth: {0, 1} masks at their size on disk, [batch, targets, height, width].
            row: numbers in the index, [batch].
        """
        values = to_truth_size(probability.float(), truth).cpu().flatten(2).contiguous()
        bins = torch.bucketize(values, self._edges)
        n_images, n_targets = values.shape[:2]
        # one number for each image, target, kind of pixel and bin
        groups = torch.arange(n_images * n_targets).reshape(n_images, n_targets, 1)
        numbers = (groups * 2 + truth.cpu().flatten(2)) * N_BINS + bins
        pixels = torch.bincount(numbers.flatten(), minlength=n_images * n_targets * 2 * N_BINS)
        images = torch.cat([row.cpu()[:, None], pixels.reshape(n_images, -1)], dim=1)
        assert isinstance(self.images, list)
        self.images.append(images.to(self.sums.device, torch.int32))
        units = (values.double() * _UNIT).round()
        added = [
            torch.bincount(b.flatten(), u.flatten(), minlength=N_BINS).long()
            for b, u in zip(bins.unbind(1), units.unbind(1), strict=True)
        ]
        self.sums += torch.stack(added).to(self.sums.device)

    def compute(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The histograms."""
        return dim_zero_cat(self.images), self.sums


@dataclass(frozen=True)
class ImageHistograms:
    """The histograms of n images.

    Attributes:
        place: number in the index -> place among the images.
        pixels: negative and positive ones of each image, target and bin, [n, targets, 2, N_BINS].
        probability_sum: of all images, [targets, N_BINS].
    """

    place: dict[int, int]
    pixels: npt.NDArray[np.int32]
    probability_sum: Numbers

    @classmethod
    def of(cls, images: npt.NDArray[np.int32], sums: npt.NDArray[np.int64]) -> "ImageHistograms":
        """Create from the result of ``ProbabilityHistograms``."""
        place = {int(row): n for n, row in enumerate(images[:, 0])}
        pixels = images[:, 1:].reshape(len(images), len(sums), 2, N_BINS)
        return cls(place, pixels, sums / _UNIT)

    def pooled(self, target: int) -> Histogram:
        """All images of a target together."""
        negative, positive = self.pixels[:, target].sum(axis=0, dtype=np.int64).astype(np.float64)
        return Histogram(negative, positive, self.probability_sum[target])

    def above(self, target: int, rows: Sequence[int]) -> tuple[Numbers, Numbers]:
        """False and true positive pixels of some images at every threshold k / N_BINS.

        Args:
            target: number of the target.
            rows: numbers in the index, [n].

        Returns:
            [n, N_BINS] each.
        """
        of_rows = self.pixels[[self.place[row] for row in rows], target]
        fp, tp = of_rows[..., ::-1].cumsum(axis=-1)[..., ::-1].swapaxes(0, 1)
        return fp.astype(np.float64), tp.astype(np.float64)
