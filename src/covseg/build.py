"""Configuration -> objects: what each part is given beside its own arguments."""

import contextlib
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.optim import Optimizer

from covseg import devices
from covseg.config.data import Data
from covseg.config.model import OtherNetwork
from covseg.config.protocol import Protocol
from covseg.config.train import Train
from covseg.config.trainer import Trainer
from covseg.data.augment import Augment
from covseg.data.augment import check as check_transform
from covseg.data.datamodule import XrayDataModule
from covseg.errors import ConfigError, nearest, setting
from covseg.instantiate import arguments_of, make, parameters_of
from covseg.learn.checkpoint import AtomicCheckpointIO
from covseg.learn.module import SegmentationModule
from covseg.measure.metrics import ImageRecords, all_scores
from covseg.measure.scores import OBJECTIVE, SCORES, Score, monitored
from covseg.report.callbacks import ProgressBar

MONITOR = f"val/{OBJECTIVE}"


def network(config: Train) -> nn.Module:
    """The network, with one logit per target.

    Raises:
        ConfigError: it cannot be built, does not fit into memory, or is not from images to logits.
    """
    if isinstance(config.model, OtherNetwork):
        return _other_network(config, config.model)
    arguments, n_targets = arguments_of(config.model), len(config.data.targets)
    with torch.device("meta"):  # shapes without memory
        sketch: nn.Module = make("model", arguments, out_channels=n_targets)
    devices.check_memory(
        sketch, f"model.base_channels={config.model.base_channels}", config.trainer
    )
    unet: nn.Module = make("model", arguments, out_channels=n_targets)
    return unet


def _other_network(config: Train, model: OtherNetwork) -> nn.Module:
    arguments, n_targets = arguments_of(model), len(config.data.targets)
    del arguments["size_multiple"]
    given = {}
    with contextlib.suppress(Exception):  # which ``make`` reports
        if "out_channels" in parameters_of(model.target) and "out_channels" not in arguments:
            given["out_channels"] = n_targets
    built = make("model", arguments, **given)
    if not isinstance(built, nn.Module):
        raise ConfigError(
            setting("model._target_", model.target), "is not an nn.Module", "name a network"
        )
    devices.check_memory(built, setting("model._target_", model.target), config.trainer)
    size, multiple = config.data.image_size, getattr(built, "size_multiple", None) or 1
    if size % multiple:
        raise ConfigError(
            f"data.image_size={size}",
            f"is not a multiple of {multiple}, which {model.target} needs",
            f"set data.image_size={(size // multiple + 1) * multiple}",
        )
    _check_shape(built, model.target, size, n_targets)
    return built


def _check_shape(network: nn.Module, target: str, size: int, n_targets: int) -> None:
    """Try a network on one image.

    Raises:
        ConfigError: it refuses the image, or its output has another shape than the masks.
    """
    key, expected = setting("model._target_", target), (1, n_targets, size, size)
    was_training = network.training
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            output = network.eval()(torch.zeros(1, 1, size, size))
    except Exception as error:  # the network's own, of any kind
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(
            key,
            f"cannot take images of [1, 1, {size}, {size}] ({reason})",
            "set data.image_size to a size that it takes, or change its arguments",
        ) from error
    finally:
        network.train(was_training)
    shape = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if shape != list(expected):
        raise ConfigError(
            key,
            f"gives {shape} for images of [1, 1, {size}, {size}], expected {list(expected)}",
            "change its arguments so that it gives one logit per pixel and target",
        )


def scores(protocol: Protocol) -> dict[str, Score]:
    """Covseg's scores and the user's own.

    Raises:
        ConfigError: one of them is no score, or has the name of another.
    """
    made = dict(SCORES)
    for name, node in protocol.scores.items():
        key = f"protocol.scores.{name}"
        if name in SCORES:
            raise ConfigError(key, "is the name of one of covseg's scores", "choose another name")
        score = make(key, arguments_of(node))
        if not isinstance(score, Score):
            raise ConfigError(
                setting(f"{key}._target_", node.target),
                "does not return a covseg.measure.scores.Score",
                "name a function that does",
            )
        made[name] = score
    return made


def module(config: Train, net: nn.Module) -> SegmentationModule:
    """The LightningModule around a network; every argument of its parts is tried out here."""
    make_optimizer = partial(make, "optimizer", arguments_of(config.optimizer))
    trial = make_optimizer([nn.Parameter(torch.zeros(1))])
    _try_out(trial)
    make_scheduler = None
    if config.scheduler is not None:
        make_scheduler = partial(make, "scheduler", arguments_of(config.scheduler))
        make_scheduler(optimizer=trial, total_steps=10)
    threshold, min_pixels = config.protocol.threshold, config.protocol.detection_min_pixels
    return SegmentationModule(
        net,
        make("loss", arguments_of(config.loss)),
        all_scores(threshold, min_pixels, scores(config.protocol)),
        ImageRecords(threshold),
        threshold,
        make_optimizer=make_optimizer,
        make_scheduler=make_scheduler,
        monitor=MONITOR,
        channels_last=devices.channels_last(config.trainer),
        hparams=arguments_of(config),
    )


def augment(config: Train) -> Augment | None:
    """The random transforms of the group ``augment``, each tried out; None where there are none.

    Raises:
        ConfigError: a transform that cannot be built, or whose results cannot be fitted.
    """
    transforms = {
        key: make(f"augment.{key}", arguments_of(node)) for key, node in config.augment.items()
    }
    if not transforms:
        return None
    for key, transform in transforms.items():
        try:
            fault = check_transform(transform, config.data.image_size)
        except Exception as error:  # a library's own, of any kind
            raise _unusable(f"augment.{key}", error) from error
        if fault is not None:
            raise ConfigError(f"augment.{key}", fault, "change its arguments, or leave it out")
    return Augment(list(transforms.values()), config.seed)


def _try_out(optimizer: Optimizer) -> None:
    """Two steps, for the second has a momentum: some arguments are looked at nowhere else.

    Raises:
        ConfigError: the optimizer cannot take a step.
    """
    try:
        for _ in range(2):
            for parameter in optimizer.param_groups[0]["params"]:
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
    except Exception as error:  # torch's own, of any kind
        raise _unusable("optimizer", error) from error


def _unusable(key: str, error: Exception) -> ConfigError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    return ConfigError(key, f"cannot work ({reason})", "change its arguments")


def datamodule(data: Data, protocol: Protocol, *, report: str, **more: Any) -> XrayDataModule:
    """The splits as the protocol uses them; ``more`` are other arguments of the DataModule."""
    return XrayDataModule(data, fit=protocol.fit, select=protocol.select, report=report, **more)


def callbacks(config: Train) -> list[L.Callback]:
    """The callbacks of the group ``callbacks``.

    Raises:
        ConfigError: a callback that cannot be built, or that monitors a score that does not exist
            or in the wrong direction.
    """
    known = monitored(scores(config.protocol))
    return [
        make(f"callbacks.{key}", _monitoring(f"callbacks.{key}", arguments_of(node), known))
        for key, node in config.callbacks.parts.items()
    ]


def _monitoring(key: str, arguments: dict[str, Any], known: Mapping[str, bool]) -> dict[str, Any]:
    """Complete the arguments of a callback that monitors a score.

    Raises:
        ConfigError: no such score, or an argument that contradicts it.
    """
    watched = arguments.get("monitor")
    if watched is None:
        return arguments
    if not isinstance(watched, str) or watched not in known:
        raise ConfigError(
            setting(f"{key}.monitor", watched), "is not logged", nearest(str(watched), known)
        )
    better, which = ("min", "lower") if known[watched] else ("max", "higher")
    if arguments.get("mode") not in (None, better):
        raise ConfigError(
            setting(f"{key}.mode", arguments["mode"]),
            f"is the wrong direction, because {which} {watched} is better",
            f"leave it out, or set {key}.mode={better}",
        )
    complete: dict[str, Any] = {"mode": better}
    when = "check_on_train_epoch_end"
    if watched.startswith("train/"):  # known only when an epoch of training is over
        complete[when] = True
    if arguments.get(when) not in (None, complete.get(when, False)):
        raise ConfigError(
            setting(f"{key}.{when}", arguments[when]),
            f"looks at a time when {watched} may not be known",
            "leave it out",
        )
    return arguments | complete


def loggers(config: Train, out: Path, run_id: str | None = None) -> list[Any]:
    """The loggers of the group ``logger``, writing into the run folder.

    ``run_id`` lets W&B continue its run where a run goes on.
    """
    of_wandb = {"name": config.name, "tags": config.tags, "id": run_id, "resume": "allow"}
    made = []
    for key, node in config.logger.items():
        arguments = arguments_of(node)
        with contextlib.suppress(Exception):  # which ``make`` reports
            if "save_dir" in parameters_of(node.target):
                arguments.setdefault("save_dir", str(out))
        if node.target == "lightning.pytorch.loggers.WandbLogger":
            arguments = of_wandb | arguments
        made.append(make(f"logger.{key}", arguments))
    return made


def trainer(
    settings: Trainer, out: Path, callbacks: list[L.Callback], loggers: list[Any]
) -> L.Trainer:
    """Lightning's Trainer for a run folder, with a progress bar where somebody looks.

    Raises:
        ConfigError: Lightning refuses an argument, or the device the precision.
    """
    devices.check_precision(settings)
    devices.check_synchronised(settings)
    devices.set_arithmetic(settings)
    arguments = settings.model_dump()
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
        arguments["enable_progress_bar"] = bool(sys.stdout and sys.stdout.isatty())
    if arguments["enable_progress_bar"]:
        callbacks = [*callbacks, ProgressBar()]
    # who started the processes is settled by now: Lightning would guess, e.g. from Slurm's words
    processes = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else None
    plugins = [AtomicCheckpointIO(), processes or LightningEnvironment()]
    arguments |= {"plugins": plugins, "default_root_dir": out}
    try:
        return L.Trainer(**arguments, callbacks=callbacks, logger=loggers or False)
    except (
        MisconfigurationException,
        ImportError,
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:
        reason = str(error).partition(". ")[0]
        raise ConfigError(
            "trainer", f"is refused by Lightning ({reason})", "change what it names"
        ) from error
