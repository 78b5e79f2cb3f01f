"""How much of an image a prediction covers, without a truth to compare it with."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Extent:
    """What a prediction says of one target.

    Attributes:
        pixels: that are predicted.
        share: of the image that is predicted.
        n_regions: connected ones, also by corners.
        largest_region: in pixels.
        mean_probability: over all pixels.
    """

    pixels: int
    share: float
    n_regions: int
    largest_region: int
    mean_probability: float

    @classmethod
    def of(cls, probability: npt.NDArray[np.float32], threshold: float) -> "Extent":
        """Of a probability, [height, width]."""
        predicted = (probability > threshold).astype(np.uint8)
        n, _, regions, _ = cv2.connectedComponentsWithStats(predicted, connectivity=8)
        sizes = regions[1:, cv2.CC_STAT_AREA]  # the first is the background
        return cls(
            pixels=int(predicted.sum()),
            share=float(predicted.mean()),
            n_regions=n - 1,
            largest_region=int(sizes.max(initial=0)),
            mean_probability=float(probability.mean(dtype=np.float64)),
        )
