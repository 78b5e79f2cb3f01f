"""Reads and writes checkpoints; nothing in a file is ever executed."""

import io
import lzma
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn

from covseg.errors import RunError
from covseg.files import write_whole

_PREFIX = "network."  # the network's attribute in the LightningModule
# torch's message for an object that ``weights_only`` does not load
_UNSAFE = re.compile(r"[Uu]nsupported (?:class|operand|(?:global: )?GLOBAL ([\w.]+))")
_COPY_AGAIN = "copy it again, or name another checkpoint"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint completely or not at all: a kill or a full disk keeps the old file."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Replace the file by the new checkpoint, or raise RunError and leave the old one."""
        file = io.BytesIO()
        torch.save(checkpoint, file)
        write_whole(Path(path), file.getbuffer())


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a checkpoint's weights into a network of the same architecture.

    Raises:
        RunError: the file is damaged, holds more than plain values, or belongs to another
            network.
    """
    put_weights(network, read_checkpoint(path), path)


def put_weights(network: nn.Module, stored: dict[str, Any], path: Path) -> None:
    """As ``load_weights``, for a checkpoint that was already read from ``path``."""
    weights, expected = _weights_in(path, stored), network.state_dict()
    # before any value is read: a damaged file can declare a shape that no memory holds
    if difference := _difference(expected, weights):
        raise RunError(
            path,
            f"holds another network than the configuration describes ({difference})",
            "keep a checkpoint with its own config.yaml, or set the same model.* and data.targets",
        )
    weights = {name: weight.to(expected[name].dtype) for name, weight in weights.items()}
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise RunError(
                path, f"has weights that are not finite ({name})", "name another checkpoint"
            )
    network.load_state_dict(weights)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a file: plain values and tensors, whose shapes are not checked.

    Raises:
        RunError: the file is damaged, or holds more than plain values.
    """
    _check_archive(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make torch raise almost anything
        if unsafe := _UNSAFE.search(str(error)):
            raise RunError(
                path,
                f"holds more than weights, and could run a program ({unsafe[1] or unsafe[0]})",
                "do not use it, and ask who sent it",
            ) from error
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise RunError(path, f"cannot be read ({reason})", _COPY_AGAIN) from error
    if not isinstance(stored, dict):
        raise RunError(path, "holds no weights (state_dict)", "name a checkpoint of covseg")
    return stored


def _weights_in(path: Path, stored: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The network's weights, by the names of its own ``state_dict``."""
    weights = stored.get("state_dict")
    if not isinstance(weights, dict):
        raise RunError(path, "holds no weights (state_dict)", "name a checkpoint of covseg")
    return {
        name.removeprefix(_PREFIX): value
        for name, value in weights.items()
        if isinstance(name, str) and name.startswith(_PREFIX) and isinstance(value, torch.Tensor)
    }


def _check_archive(path: Path) -> None:
    """Refuse a file that is no checkpoint, is damaged, or unpacks to more than its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > path.stat().st_size:
                raise RunError(path, "unpacks to more than its size", "name a checkpoint of covseg")
            # torch does not verify checksums: a flipped bit would change a weight
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    except (
        *(zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError),
        *(struct.error, zlib.error, lzma.LZMAError),
    ) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(path, f"is not a complete checkpoint ({reason})", _COPY_AGAIN) from error


def _difference(expected: dict[str, torch.Tensor], stored: dict[str, torch.Tensor]) -> str:
    """The first difference in names, shapes and types; empty if there is none."""
    for name in sorted(expected.keys() ^ stored.keys()):
        return f"{name} is only in the {'configuration' if name in expected else 'checkpoint'}"
    for name, weight in expected.items():
        other = stored[name]
        if other.is_nested or other.layout != torch.strided or other.is_meta or other.is_quantized:
            return f"{name} is not a plain tensor"
        if other.shape != weight.shape:
            return f"{name} is {list(other.shape)}, expected {list(weight.shape)}"
        if other.is_floating_point() != weight.is_floating_point() or other.is_complex():
            return f"{name} is {other.dtype}, expected {weight.dtype}"
    return ""
