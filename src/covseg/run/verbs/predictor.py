"""A run's network as a function from a grey image to a probability."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL.Image import Image
from torch.nn import functional as F

from covseg import build
from covseg.data.dataset import resize_image, to_network
from covseg.errors import ConfigError, DataError
from covseg.run.folder.agreement import load_run_weights
from covseg.run.folder.run_folder import RunFolder
from covseg.validation import trusted_packages


class Predictor:
    """Network, preprocessing and threshold of a run.

    Args:
        run: the run folder.
        checkpoint: ``best`` or ``last``; None takes the one that the run reported.
        trust: packages whose code the run may name, such as that of its network.

    Attributes:
        network: in evaluation mode, on the CPU.
        targets: what each output channel segments.
        image_size: side of the network's input, in pixels.
        threshold: prediction = probability > threshold.

    Raises:
        CovsegError: the folder or its checkpoint cannot be used.
    """

    def __init__(
        self, run: str | Path, checkpoint: str | None = None, trust: Sequence[str] = ()
    ) -> None:
        folder = RunFolder(run, trusted_packages(trust))
        config = folder.config
        path = folder.checkpoint(checkpoint or config.protocol.checkpoint)
        try:
            self.network = build.network(config)
        except ConfigError as error:
            raise folder.refused(error) from error
        load_run_weights(self.network, folder, path)
        self.network.eval()
        # as when it was scored
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.targets = list(config.data.targets)
        self.image_size = config.data.image_size
        self.threshold = config.protocol.threshold

    def predict(self, image: npt.ArrayLike | Image) -> npt.NDArray[np.float32]:
        """Probability of every pixel, at the image's own size.

        Args:
            image: 8-bit grey, uint8 [height, width]: an array, or what NumPy makes one of, such as
                a PIL image. Of a masked array the data counts, not the mask.

        Returns:
            float32 [height, width] in [0, 1]; with several targets [targets, height, width].

        Raises:
            DataError: not an 8-bit grey image.
        """
        pixels = _grey(image)
        with torch.inference_mode():
            probability = self.network(self.preprocess(pixels)).float().sigmoid()
            probability = F.interpolate(probability, pixels.shape, mode="bilinear")[0]
        of_targets: npt.NDArray[np.float32] = probability.numpy()
        return of_targets[0] if len(self.targets) == 1 else of_targets

    def preprocess(self, image: npt.ArrayLike | Image) -> torch.Tensor:
        """What the network sees of an image: float32 in [0, 1], [1, 1, image_size, image_size].

        Raises:
            DataError: not an 8-bit grey image.
        """
        resized = np.array(resize_image(_grey(image), self.image_size), order="C")
        sample = to_network(torch.from_numpy(resized)[None, None])
        return sample.to(memory_format=torch.channels_last)


def _grey(image: npt.ArrayLike | Image) -> npt.NDArray[np.uint8]:
    """An image as an array.

    Raises:
        DataError: not an 8-bit grey image.
    """
    remedy = "give 8-bit grey: uint8 [height, width]"
    if isinstance(image, str | PathLike):
        raise DataError("the image", "is a path", f"{remedy}, such as PIL.Image.open(path)")
    if isinstance(image, Image) and image.mode != "L":  # a palette has no grey values
        raise DataError("the image", f"has the mode {image.mode}", "give image.convert('L')")
    try:
        pixels = np.asarray(image)
    except (ValueError, TypeError, RuntimeError, OSError) as error:  # ragged, on a GPU, cut short
        raise DataError("the image", f"is no array ({error})", remedy) from error
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or 0 in pixels.shape:
        cause = f"is {pixels.dtype} of shape {list(pixels.shape)}"
        raise DataError("the image", cause, remedy)
    return pixels
