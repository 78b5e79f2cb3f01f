"""Where a number comes from: code, versions, machine, data, command."""

import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from covseg.files import write_whole

_PACKAGES = (
    *("covseg", "torch", "lightning", "hydra-core", "omegaconf", "torchmetrics"),
    *("albumentations", "opencv-python-headless", "numpy", "scikit-learn"),
    "wandb",
)


def provenance(verb: str, seed: int, devices: int) -> dict[str, Any]:
    """What is known when a run starts.

    Args:
        verb: of the command line.
        seed: of the run.
        devices: number of processes.
    """
    return {
        "command": os.environ.get("COVSEG_COMMAND", shlex.join([f"covseg.{verb}", *sys.argv[1:]])),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
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
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return found | {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def write_provenance(found: dict[str, Any], path: Path) -> None:
    """Write as JSON."""
    write_whole(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _git() -> dict[str, Any] | None:
    """Commit of covseg's own source and whether it was changed; None outside of a checkout."""
    here = Path(__file__).resolve().parent

    def ask(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        # an installed package may lie inside somebody else's repository
        ask("ls-files", "--error-unmatch", __file__)
        changed = ask("status", "--porcelain", "--", ":/")
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return None
