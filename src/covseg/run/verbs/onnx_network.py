"""A network that was exported as ONNX, and the facts that its file contains."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from covseg.errors import ConfigError, RunError, reason_of

KEY = "covseg"  # of the facts in the metadata
_AGAIN = "export the run again with covseg.export"


@dataclass(frozen=True)
class Facts:
    """What has to be known besides the network to use it as it was scored.

    Attributes:
        covseg: version that exported it.
        image_size: side of the network's input, in pixels.
        targets: what each output channel segments.
        threshold: prediction = probability > threshold.
        detection_min_pixels: minimum of predicted pixels for an image to be called infected.
        run: name of the run folder.
        checkpoint: name of the checkpoint.
        typical: the fitting images as a whole, the content of ``typical.npz`` in base64; None of a
            run of an older covseg.
        pad: keep the proportions of an image.
        store_size: pixels of an image's longer side at most, before it is resized.
    """

    covseg: str
    image_size: int
    targets: list[str]
    threshold: float
    detection_min_pixels: int
    run: str
    checkpoint: str
    typical: str | None = None
    pad: bool = False
    store_size: int | None = None

    def as_json(self) -> str:
        """As text, for the file."""
        return json.dumps(asdict(self))


class OnnxNetwork:
    """Runs the network of a file on ONNX Runtime, on the CPU.

    Args:
        path: of the file.

    Attributes:
        facts: that it contains.

    Raises:
        RunError: the file cannot be read, or is not one of covseg's.
        ConfigError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(path, "needs ONNX Runtime", "pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            content = path.read_bytes()
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # an OSError, or one of many of ONNX Runtime's own
            raise RunError(path, f"cannot be read ({reason_of(error)})", _AGAIN) from error
        facts = self._session.get_modelmeta().custom_metadata_map.get(KEY, "")
        try:
            self.facts = Facts(**json.loads(facts))
        except (TypeError, ValueError) as error:
            raise RunError(path, "was not written by covseg.export", _AGAIN) from error

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of every pixel.

        Args:
            image: uint8 [batch, 1, size, size].

        Returns:
            float32 [batch, targets, size, size].
        """
        [probability] = self._session.run(None, {"image": image.numpy()})
        return torch.from_numpy(probability)
