"""Weights in and out of a run folder, never anything that could run code."""

from pathlib import Path

import torch
from torch import nn

from covseg.errors import RunError

_PREFIX = "network."  # the network's name inside the LightningModule


def load_weights(network: nn.Module, path: Path) -> None:
    """Put a checkpoint's weights into a network of the same architecture.

    Raises:
        RunError: the file is missing, damaged, holds more than plain values, or belongs to another
            network.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        weights = {
            name.removeprefix(_PREFIX): value
            for name, value in stored.items()
            if name.startswith(_PREFIX) and isinstance(value, torch.Tensor)
        }
    except FileNotFoundError as error:
        raise RunError(path, "is missing", "name a run folder that has this checkpoint") from error
    except Exception as error:  # a damaged file can make torch raise almost anything
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise RunError(
            path, f"is not a checkpoint that can be trusted ({reason})", "copy it again"
        ) from error
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise RunError(
                path, f"has weights that are not finite ({name})", "name another checkpoint"
            )
    if difference := _difference(network.state_dict(), weights):
        raise RunError(
            path,
            f"holds another network than this configuration describes ({difference})",
            "use the configuration that stands beside it, or give the same model.* keys",
        )
    network.load_state_dict(weights)


def _difference(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> str:
    for name in sorted(wanted.keys() ^ found.keys()):
        return f"{name} is only in the {'configuration' if name in wanted else 'checkpoint'}"
    for name, weight in wanted.items():
        if weight.shape != found[name].shape:
            return f"{name} is {list(found[name].shape)}, expected {list(weight.shape)}"
    return ""
