"""Images with truth and prediction, for pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from covseg.data.dataset import to_network
from covseg.data.image import Pixels
from covseg.learn.module import SegmentationModule

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prediction:
    """An image with the truth and the probability of one target.

    Attributes:
        row: of the index.
        image: float32 in [0, 1], as the network saw it, without what is beside a padded image.
        truth: {0, 1} float32 [height, width], as on disk.
        probability: float32, of the size of the image.
    """

    row: int
    image: Plane
    truth: Plane
    probability: Plane

    def at_truth_size(self) -> tuple[Pixels, Mask, Plane]:
        """Image as uint8, truth, and probability, [height, width] each."""
        height, width = self.truth.shape
        image, probability = (
            np.asarray(cv2.resize(p, (width, height)), np.float32)
            for p in (self.image, self.probability)
        )
        return (image * 255).astype(np.uint8), self.truth > 0.5, probability


def predictions(
    module: SegmentationModule, data: Any, rows: Sequence[int], target: int = 0
) -> list[Prediction]:
    """Predict some images, one at a time.

    Args:
        module: its Trainer's device and precision are used, as for the scores.
        data: the DataModule.
        rows: of the index.
        target: number of the target.
    """
    was_training = module.training
    module.eval()
    made = []
    # Lightning moves the module to the CPU after scoring
    precision, device = module.trainer.precision_plugin, module.trainer.strategy.root_device
    module.to(device)
    with torch.inference_mode(), precision.forward_context():
        for sample in data.fixed_samples(rows):
            truth = sample.mask[None]
            probability = module.probability(sample.image[None].to(device), truth)
            made.append(
                Prediction(
                    int(sample.row),
                    module.of_image(to_network(sample.image)[0], truth).numpy(),
                    sample.mask[target].float().numpy(),
                    probability[0, target].cpu().numpy(),
                )
            )
    module.train(was_training)
    return made
