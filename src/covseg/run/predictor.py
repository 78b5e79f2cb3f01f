"""A run's network as a function from a grey image to a probability."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from covseg import build
from covseg.data.dataset import resize_image, to_network
from covseg.errors import DataError
from covseg.learn.checkpoint import load_weights
from covseg.run.folder import checkpoint_of, own_words, read_run


class Predictor:
    """Network, preprocessing and threshold of a run.

    Args:
        run: the run folder.
        checkpoint: ``best`` or ``last``; None takes the one that the run reported.

    Attributes:
        network: in evaluation mode, on the CPU.
        targets: what each output channel segments.
        image_size: side of the network's input, in pixels.
        threshold: prediction = probability > threshold.

    Raises:
        CovsegError: the folder or its checkpoint cannot be used.
    """

    def __init__(self, run: str | Path, checkpoint: str | None = None) -> None:
        config = read_run(Path(run))
        name = checkpoint or config.protocol.checkpoint
        path = checkpoint_of(Path(run), name)
        with own_words(Path(run)):
            self.network = build.network(config)
        load_weights(self.network, path)
        self.network.eval()
        # as when it was scored
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.targets = list(config.data.targets)
        self.image_size = config.data.image_size
        self.threshold = config.protocol.threshold

    def predict(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probability of every pixel, at the image's own size.

        Args:
            image: 8-bit grey, uint8 [height, width].

        Returns:
            float32 [height, width] in [0, 1]; with several targets [targets, height, width].

        Raises:
            DataError: not an 8-bit grey image.
        """
        with torch.inference_mode():
            probability = self.network(self.preprocess(image)).float().sigmoid()
            probability = F.interpolate(probability, image.shape, mode="bilinear")[0]
        found: npt.NDArray[np.float32] = probability.numpy()
        return found[0] if len(self.targets) == 1 else found

    def preprocess(self, image: npt.NDArray[np.uint8]) -> torch.Tensor:
        """What the network sees of an image: float32 in [0, 1], [1, 1, image_size, image_size].

        Raises:
            DataError: not an 8-bit grey image.
        """
        if image.dtype != np.uint8 or image.ndim != 2 or 0 in image.shape:
            raise DataError(
                "the image",
                f"is {image.dtype} of shape {list(image.shape)}",
                "give 8-bit grey: uint8 [height, width]",
            )
        sample = torch.from_numpy(to_network(resize_image(image, self.image_size)))
        return sample[None].to(memory_format=torch.channels_last)
