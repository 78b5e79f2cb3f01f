"""Weights in and out of a run folder, never anything that could run code."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from covseg.errors import RunError
from covseg.files import write_whole

_PREFIX = "network."  # the network's name inside the LightningModule


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's way to disk, but a kill or a full disk never costs the checkpoint before."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write the new checkpoint whole, or raise RunError and leave the old one."""
        file = io.BytesIO()
        torch.save(checkpoint, file)
        write_whole(Path(path), file.getbuffer())


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
