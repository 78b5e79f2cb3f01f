"""Weights in and out of a run folder, never anything that could run code."""

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

_PREFIX = "network."  # the network's name inside the LightningModule
# as torch says what it did not run
_ASKED = re.compile(r"[Uu]nsupported (?:class|operand|(?:global: )?GLOBAL ([\w.]+))")
_AGAIN = "copy it again, or name another checkpoint"


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
        RunError: the file is damaged, holds more than plain values, or belongs to another
            network.
    """
    put_weights(network, read_checkpoint(path), path)


def put_weights(network: nn.Module, stored: dict[str, Any], path: Path) -> None:
    """Put the weights of a checkpoint that was read into a network.

    Raises:
        RunError: as ``load_weights``.
    """
    found, wanted = _weights_in(path, stored), network.state_dict()
    if difference := _difference(wanted, found):  # before any is looked at: a shape can be endless
        raise RunError(
            path,
            f"holds another network than the configuration describes ({difference})",
            "keep a checkpoint with its own config.yaml, or say the same model.* and data.targets",
        )
    weights = {name: weight.to(wanted[name].dtype) for name, weight in found.items()}
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise RunError(
                path, f"has weights that are not finite ({name})", "name another checkpoint"
            )
    network.load_state_dict(weights)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a file holds: plain values and tensors, whose shapes may be anything.

    Raises:
        RunError: the file is damaged, or holds more than plain values.
    """
    _check_archive(path)
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make torch raise almost anything
        if asked := _ASKED.search(str(error)):
            raise RunError(
                path,
                f"holds more than weights, and could run a program ({asked[1] or asked[0]})",
                "do not use it, and ask who sent it",
            ) from error
        reason = str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
        raise RunError(path, f"cannot be read ({reason})", _AGAIN) from error
    if not isinstance(stored, dict):
        raise RunError(path, "holds no weights (state_dict)", "name a checkpoint of covseg")
    return stored


def _weights_in(path: Path, stored: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The network's weights, by the network's own names."""
    weights = stored.get("state_dict")
    if not isinstance(weights, dict):
        raise RunError(path, "holds no weights (state_dict)", "name a checkpoint of covseg")
    return {
        name.removeprefix(_PREFIX): value
        for name, value in weights.items()
        if isinstance(name, str) and name.startswith(_PREFIX) and isinstance(value, torch.Tensor)
    }


def _check_archive(path: Path) -> None:
    """Refuse what ``torch.save`` has not written, and what would unpack to more than it is."""
    try:
        size = path.stat().st_size
        if size == 0:
            raise RunError(path, "is empty", _AGAIN)
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            # torch does not look at the checksums: a flipped bit would be another weight
            damaged = archive.testzip() if unpacked <= size else None
    except OSError as error:
        raise RunError(path, f"cannot be read ({error.strerror})", _AGAIN) from error
    except (
        *(zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError),
        *(struct.error, zlib.error, lzma.LZMAError),
    ) as error:
        raise RunError(path, "is not a checkpoint, or not a whole one", _AGAIN) from error
    if unpacked > size:
        raise RunError(path, "unpacks to more than its size", "name a checkpoint of covseg")
    if damaged is not None:
        raise RunError(path, f"is damaged, for a checksum in it is wrong ({damaged})", _AGAIN)


def _difference(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> str:
    for name in sorted(wanted.keys() ^ found.keys()):
        return f"{name} is only in the {'configuration' if name in wanted else 'checkpoint'}"
    for name, weight in wanted.items():
        other = found[name]
        if other.is_nested or other.layout != torch.strided or other.is_meta or other.is_quantized:
            return f"{name} is not a plain tensor"
        if other.shape != weight.shape:
            return f"{name} is {list(other.shape)}, expected {list(weight.shape)}"
        if other.is_floating_point() != weight.is_floating_point() or other.is_complex():
            return f"{name} is {other.dtype}, expected {weight.dtype}"
    return ""
