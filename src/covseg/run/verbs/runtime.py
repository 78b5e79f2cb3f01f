"""What executes the network of a prediction: torch, or ONNX Runtime where that pays."""

import logging
from importlib.util import find_spec

from covseg.config.predict import Predict
from covseg.errors import ConfigError, CovsegError
from covseg.learn.probability import ProbabilityNetwork
from covseg.run.verbs.export import on_onnx_runtime
from covseg.run.verbs.predictor import Predictor

log = logging.getLogger(__name__)

# from which ONNX Runtime pays: its export takes as long as 250 images, and at 128 pixels it is not
# faster than torch, at 256 pixels 1.5 times as fast (2 CPU cores, U-Net with 16 channels)
_MANY, _LARGE = 1000, 256


def on_runtime(config: Predict, predictor: Predictor, n_images: int) -> Predictor:
    """The predictor with its network on ONNX Runtime, where that is wanted or pays.

    Args:
        config: of the command.
        predictor: of a run folder or of an exported file.
        n_images: that are to be predicted.

    Raises:
        CovsegError: it is wanted, and a package is missing or the network cannot be exported.
    """
    wanted = config.runtime == "onnx"
    if wanted and predictor.device != "cpu":
        raise ConfigError("runtime=onnx", "runs on the CPU", "set accelerator=cpu as well")
    if not isinstance(predictor.network, ProbabilityNetwork):
        return predictor  # a file of covseg.export
    if not wanted and (config.runtime == "torch" or not _pays(predictor, n_images)):
        return predictor
    try:
        faster = on_onnx_runtime(predictor, config.run)
    except CovsegError as error:
        if wanted:
            raise
        log.warning("torch executes the network: %s", error)
        return predictor
    log.info("ONNX Runtime executes the network")
    return faster


def _pays(predictor: Predictor, n_images: int) -> bool:
    large = n_images >= _MANY and predictor.image_size >= _LARGE
    installed = all(map(find_spec, ("onnx", "onnxscript", "onnxruntime")))
    return predictor.device == "cpu" and large and installed
