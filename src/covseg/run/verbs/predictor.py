"""A trained network as a function from an X-ray image to a probability."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from covseg import build
from covseg.config.node import SHIPPED
from covseg.data.audit.typical import TypicalImages
from covseg.data.grey import AnyImage, to_grey
from covseg.data.image import Pixels
from covseg.data.resize import Square, shrunk
from covseg.errors import ConfigError
from covseg.learn.probability import ProbabilityNetwork
from covseg.run.folder.agreement import load_run_weights
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.onnx_network import OnnxNetwork
from covseg.validation import trusted_packages

Probability = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Predictor:
    """Network, preprocessing and threshold of a run, or of a file of ``covseg.export``.

    Attributes:
        network: uint8 [n, 1, image_size, image_size] -> float32 [n, targets, image_size,
            image_size].
        targets: what each output channel segments.
        image_size: side of the network's input, in pixels.
        threshold: prediction = probability > threshold.
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
        checkpoint: name of the checkpoint.
        device: that the network is on.
        typical: the fitting images as a whole; None for a run of an older covseg.
        pad: keep the proportions of an image, see ``Square``.
        store_size: pixels of an image's longer side at most, before it is resized.
    """

    network: Callable[[torch.Tensor], torch.Tensor]
    targets: Sequence[str]
    image_size: int
    threshold: float
    detection_min_pixels: int
    checkpoint: str
    device: str = "cpu"
    typical: TypicalImages | None = None
    pad: bool = False
    store_size: int | None = None

    def infected_from(self, n_pixels: int) -> float:
        """Number of predicted pixels from which an image of so many pixels is called infected.

        ``detection_min_pixels`` is of an image of the size that was scored.
        """
        if self.detection_min_pixels == 1 or self.typical is None:
            return self.detection_min_pixels
        return self.detection_min_pixels * n_pixels / float(self.typical.shape.prod())

    def predict(self, image: AnyImage) -> Probability:
        """Probability of every pixel, at the image's own size.

        Args:
            image: a path, a PIL image or an array; see ``covseg.data.grey``.

        Returns:
            float32 [height, width] in [0, 1]; with several targets [targets, height, width].

        Raises:
            DataError: the image cannot be read, or is of another kind.
        """
        [probability] = self.probabilities([to_grey(image)])
        return probability[0] if len(self.targets) == 1 else probability

    def probabilities(self, images: Sequence[Pixels]) -> Iterator[Probability]:
        """The probabilities of a batch of images, [targets, height, width] each, at their sizes.

        Args:
            images: uint8 [height, width] each, of any size.
        """
        square = Square(self.image_size, self.pad)
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        small = (shrunk(image, self.store_size) for image in images)
        resized = np.stack([square.image(i, size) for i, size in zip(small, sizes, strict=True)])
        with torch.inference_mode():
            batch = self.network(torch.from_numpy(resized)[:, None].to(self.device))
        for size, probability in zip(sizes, batch, strict=True):
            with torch.inference_mode():  # not around the yield: the caller would be in it, too
                of_image = probability[None, :, *square.part(size)]
                whole = F.interpolate(of_image, size, mode="bilinear")[0]
            yield whole.cpu().numpy()


def load_predictor(
    run: str | Path,
    checkpoint: str | None = None,
    trust: Sequence[str] = (),
    device: str = "cpu",
) -> Predictor:
    """The network of a run folder, or of an ONNX file of ``covseg.export``.

    Args:
        run: the run folder, or the file; ``default`` is the network that covseg ships.
        checkpoint: ``best`` or ``last``; None takes the one that the run reported.
        trust: packages whose code the run may name, such as that of its network.
        device: as torch names it; an ONNX file runs on the CPU.

    Raises:
        CovsegError: the folder or its checkpoint, or the file, cannot be used.
    """
    if Path(run).suffix == ".onnx":
        if checkpoint is not None:
            cause = "does not apply to an exported file, which holds one network"
            raise ConfigError(f"checkpoint={checkpoint}", cause, "leave it out")
        return _of_file(Path(run))
    folder = RunFolder(SHIPPED if run == "default" else run, trusted_packages(trust))
    config = folder.config
    path = folder.checkpoint(checkpoint or config.protocol.checkpoint)
    try:
        network = build.network(config)
    except ConfigError as error:
        raise folder.refused(error) from error
    load_run_weights(network, folder, path)
    protocol = folder.protocol
    return Predictor(
        network=ProbabilityNetwork(network, protocol.flips).to(device),
        targets=list(map(str, config.data.targets)),
        image_size=config.data.image_size,
        threshold=protocol.fixed_threshold,
        detection_min_pixels=protocol.fixed_min_pixels,
        checkpoint=path.stem,
        device=device,
        typical=TypicalImages.load(folder.typical) if folder.typical.exists() else None,
        pad=config.data.fit == "pad",
        store_size=config.data.store_size,
    )


def _of_file(path: Path) -> Predictor:
    network = OnnxNetwork(path)
    facts, typical = network.facts, None
    if facts.typical is not None:
        typical = TypicalImages.of_bytes(b64decode(facts.typical), path)
    return Predictor(
        network=network,
        targets=facts.targets,
        image_size=facts.image_size,
        threshold=facts.threshold,
        detection_min_pixels=facts.detection_min_pixels,
        checkpoint=facts.checkpoint,
        typical=typical,
        pad=facts.pad,
        store_size=facts.store_size,
    )
