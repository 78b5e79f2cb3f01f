"""Where a number comes from: code, versions, machine, data, command."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = (
    *("covseg", "torch", "lightning", "hydra-core", "omegaconf", "torchmetrics"),
    *("albumentations", "opencv-python-headless", "numpy", "scikit-learn"),
    "wandb",
)


def provenance(command: str, seed: int, devices: int, trust: Sequence[str] = ()) -> dict[str, Any]:
    """What is known when a run starts.

    Args:
        command: that started it.
        seed: of the run.
        devices: number of processes.
        trust: packages of the user's whose code runs.
    """
    return {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "trust": list(trust),
        "git": _git(),
        "versions": _versions(),
        "hardware": {
            "machine": platform.platform(),
            "cpu_cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())],
            "processes": devices,
        },
    }


def _versions() -> dict[str, str | None]:
    """Of Python, packages, CUDA and cuDNN; None for what is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return versions | {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def _git() -> dict[str, Any] | None:
    """Commit of covseg's own source and whether it was changed; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # an installed package may lie inside another repository
        ask("ls-files", "--error-unmatch", __file__)
        changed = ask("status", "--porcelain", "--", ":/")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None
