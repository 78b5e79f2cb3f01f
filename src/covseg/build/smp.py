"""Encoders of segmentation_models_pytorch, and their published weights."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from covseg.build.instantiate import arguments_of, cause_of, make
from covseg.config.model import SMPNetwork
from covseg.errors import ConfigError, nearest, reason_of, setting

# what torch raises for files that hold no weights of this network
UNUSABLE = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError)
_UNIVERSAL = "tu-"  # encoders of timm, whose weights are part of their name


def check_encoder(model: SMPNetwork) -> None:
    """Refuse an encoder that does not exist.

    Raises:
        ConfigError: names the nearest one.
    """
    try:
        known = _encoders()
    except ImportError:  # which ``make`` reports
        return
    if not model.encoder_name.startswith(_UNIVERSAL) and model.encoder_name not in known:
        raise ConfigError(
            setting("model.encoder_name", model.encoder_name),
            "is no encoder of segmentation_models_pytorch",
            nearest(model.encoder_name, known),
        )


def load_file(encoder: Any, model: SMPNetwork, path: Path, content: bytes) -> None:
    """Weights from a file, put in as segmentation_models_pytorch does.

    Raises:
        ConfigError: the file is damaged, or of another encoder.
    """
    from safetensors import SafetensorError  # with segmentation_models_pytorch, which needs it
    from safetensors.torch import load

    try:
        if path.suffix == ".safetensors":
            weights = load(content)
        else:
            weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        encoder.load_state_dict(_for_one_channel(weights, encoder.state_dict()))
    except (SafetensorError, *UNUSABLE) as error:
        raise ConfigError(
            setting("model.encoder_weights", path),
            f"cannot be used for model.encoder_name={model.encoder_name} ({reason_of(error)})",
            "name the file of that encoder's weights",
        ) from error


def _for_one_channel(
    weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """The first convolution summed over its colours, if the network takes grey images.

    This is what the same grey image in all three colours would give.
    """
    return {
        name: weight.sum(1, keepdim=True)
        if name in expected and weight.shape[1:2] == (3,) and expected[name].shape[1:2] == (1,)
        else weight
        for name, weight in weights.items()
    }


def load_published(encoder: Any, model: SMPNetwork) -> None:
    """Weights by name, which segmentation_models_pytorch downloads.

    Raises:
        ConfigError: there are none of that name, or they cannot be downloaded.
    """
    key = setting("model.encoder_weights", model.encoder_weights)
    published = _encoders().get(model.encoder_name, {}).get("pretrained_settings", {"imagenet": {}})
    if model.encoder_weights not in published:
        raise ConfigError(
            key,
            f"is not published for model.encoder_name={model.encoder_name}",
            nearest(str(model.encoder_weights), published),
        )
    arguments = arguments_of(model)
    del arguments["size_multiple"]
    try:
        with torch.random.fork_rng(devices=[]):  # the decoder does not depend on the weights
            source = make("model", arguments)
    except ConfigError as error:
        if (failure := cause_of(error, OSError)) is None:  # not of a connection or a disk
            raise
        hub = published[model.encoder_weights].get("repo_id")
        remedy = "download them on another machine, and copy its Hugging Face cache (HF_HOME) here"
        if hub:
            file = f"model.safetensors of https://huggingface.co/{hub}"
            remedy = f"download {file} elsewhere and set model.encoder_weights=<that file>"
        raise ConfigError(
            key,
            f"cannot be downloaded ({reason_of(failure).partition('. ')[0]})",
            f"{remedy}, or model.encoder_weights=null",
        ) from error
    encoder.load_state_dict(source.encoder.state_dict())


def _encoders() -> dict[str, Any]:
    from segmentation_models_pytorch.encoders import encoders  # seconds, and an extra

    return dict(encoders)
