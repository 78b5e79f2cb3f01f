"""Lightning's Trainer."""

import sys
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from covseg import devices
from covseg.config.trainer import Trainer
from covseg.errors import ConfigError
from covseg.learn.checkpoint import AtomicCheckpointIO
from covseg.report.progress_bar import RunProgress


def trainer(
    settings: Trainer, out: Path, callbacks: list[L.Callback], loggers: list[Any]
) -> L.Trainer:
    """Lightning's Trainer for a run folder, with a progress bar on a terminal.

    Raises:
        ConfigError: Lightning refuses an argument, or the device the precision.
    """
    devices.check_precision(settings)
    devices.check_synchronised(settings)
    devices.set_arithmetic(settings)
    arguments = settings.model_dump()
    if settings.keeps_checkpoints:  # ``SaveProgress`` looks at the clock, and saves first
        arguments |= {"max_time": None}
    n_devices = devices.processes(settings)
    if devices.on_gpu(settings):
        arguments |= {"accelerator": "gpu"}
    else:
        arguments |= {"accelerator": "cpu", "devices": n_devices}
    on_cpu = not devices.on_gpu(settings)
    if n_devices * settings.num_nodes > 1 + on_cpu and settings.strategy in {"auto", "ddp"}:
        # else DDP regroups the gradients after the first step, and again after a resume: they are
        # then added up in another order than before; for two on a CPU the order is the same
        arguments["strategy"] = "ddp_find_unused_parameters_true"
    if arguments["enable_progress_bar"] is None:
        arguments["enable_progress_bar"] = bool(sys.stderr and sys.stderr.isatty())
    if arguments["enable_progress_bar"]:
        callbacks = [*callbacks, RunProgress()]
    # it is known who started the processes: Lightning would guess, e.g. from Slurm's variables
    processes = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else None
    plugins = [AtomicCheckpointIO(), processes or LightningEnvironment()]
    arguments |= {"plugins": plugins, "default_root_dir": out}
    try:
        return L.Trainer(**arguments, callbacks=callbacks, logger=loggers or False)
    except (MisconfigurationException, ImportError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).partition(". ")[0]
        raise ConfigError(
            "trainer", f"is refused by Lightning ({reason})", "change what it names"
        ) from error
