"""Configuration -> objects: the one file that calls ``hydra.utils.instantiate``."""

import inspect
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn
from torch.optim import Optimizer

from covseg import devices
from covseg.config.data import Data
from covseg.config.node import Buildable, Node
from covseg.config.protocol import Protocol
from covseg.config.train import Train
from covseg.config.trainer import Trainer
from covseg.data.augment import Augment
from covseg.data.augment import check as check_transform
from covseg.data.datamodule import XrayDataModule
from covseg.errors import ConfigError, nearest, setting
from covseg.learn.checkpoint import WholeCheckpoints
from covseg.learn.module import SegmentationModule
from covseg.measure.metrics import ImageRecords, all_scores
from covseg.measure.scores import OBJECTIVE, WATCHED
from covseg.report.callbacks import ProgressBar
from covseg.validation import check_targets, wish

MONITOR = f"val/{OBJECTIVE}"
_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)  # such as torch.device


def network(config: Train) -> nn.Module:
    """The network, with one logit a target.

    Raises:
        ConfigError: its weights do not fit into this machine's memory.
    """
    arguments = _plain(config.model)
    del arguments["compile"]
    n_targets = len(config.data.targets)
    with torch.device("meta"):  # shapes without memory
        sketch: nn.Module = _make("model", arguments, out_channels=n_targets)
    devices.check_memory(
        sketch, f"model.base_channels={config.model.base_channels}", config.trainer
    )
    built: nn.Module = _make("model", arguments, out_channels=n_targets)
    return built


def module(config: Train, net: nn.Module) -> SegmentationModule:
    """The LightningModule around a network; every argument of its parts is tried out here."""
    make_optimizer = partial(_make, "optimizer", _plain(config.optimizer))
    trial = make_optimizer([nn.Parameter(torch.zeros(1))])
    _try_out(trial)
    make_scheduler = None
    if config.scheduler is not None:
        make_scheduler = partial(_make, "scheduler", _plain(config.scheduler))
        make_scheduler(optimizer=trial, total_steps=10)
    threshold, min_pixels = config.protocol.threshold, config.protocol.detection_min_pixels
    return SegmentationModule(
        net,
        _make("loss", _plain(config.loss)),
        all_scores(threshold, min_pixels),
        ImageRecords(threshold),
        threshold,
        make_optimizer=make_optimizer,
        make_scheduler=make_scheduler,
        monitor=MONITOR,
        channels_last=devices.channels_last(config.trainer),
        hparams=_plain(config),
    )


def augment(config: Train) -> Augment | None:
    """The random transforms of the group ``augment``, each tried out; None where there are none.

    Raises:
        ConfigError: a transform that cannot be built, or whose results cannot be fitted.
    """
    transforms = _made("augment", config.augment)
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


def datamodule(
    data: Data, protocol: Protocol, *, report: str, seed: int, transforms: Augment | None = None
) -> XrayDataModule:
    """The splits as the protocol uses them."""
    return XrayDataModule(
        data,
        fit=protocol.fit,
        select=protocol.select,
        report=report,
        seed=seed,
        augment=transforms,
    )


def callbacks(config: Train) -> list[L.Callback]:
    """The callbacks of the group ``callbacks``.

    Raises:
        ConfigError: a callback that cannot be built, or that watches a score that does not exist
            or in the wrong direction.
    """
    return [
        _make(f"callbacks.{key}", _watching(f"callbacks.{key}", _plain(node)))
        for key, node in config.callbacks.parts.items()
    ]


def _watching(key: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Complete what a callback that watches a score has to know of it.

    Raises:
        ConfigError: no such score, or an argument that contradicts it.
    """
    watched = arguments.get("monitor")
    if watched is None:
        return arguments
    if not isinstance(watched, str) or watched not in WATCHED:
        raise ConfigError(
            setting(f"{key}.monitor", watched), "is not logged", nearest(str(watched), WATCHED)
        )
    better, which = ("min", "lower") if WATCHED[watched] else ("max", "higher")
    if arguments.get("mode") not in (None, better):
        raise ConfigError(
            setting(f"{key}.mode", arguments["mode"]),
            f"is the wrong direction, because {which} {watched} is better",
            f"leave it out, or set {key}.mode={better}",
        )
    known: dict[str, Any] = {"mode": better}
    when = "check_on_train_epoch_end"
    if watched.startswith("train/"):  # known only when an epoch of training is over
        known[when] = True
    if arguments.get(when) not in (None, known.get(when, False)):
        raise ConfigError(
            setting(f"{key}.{when}", arguments[when]),
            f"looks at a time when {watched} may not be known",
            "leave it out",
        )
    return arguments | known


def loggers(config: Train, out: Path, run_id: str | None = None) -> list[Any]:
    """The loggers of the group ``logger``, writing into the run folder.

    ``run_id`` lets W&B go on with a run that goes on.
    """
    known: dict[str, dict[str, Any]] = {
        "TensorBoardLogger": {
            "save_dir": str(out),
            "name": "",
            "version": "tensorboard",
            "default_hp_metric": False,  # it would stand there as -1
        },
        "WandbLogger": {
            "save_dir": str(out),
            "name": config.name,
            "tags": config.tags,
            "id": run_id,
            "resume": "allow",
        },
    }
    return [
        _make(f"logger.{key}", {**known[node.target.rpartition(".")[2]], **_plain(node)})
        for key, node in config.logger.items()
    ]


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
    plugins = [WholeCheckpoints(), processes or LightningEnvironment()]
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


def _made(group: str, nodes: Mapping[str, Buildable]) -> dict[str, Any]:
    return {key: _make(f"{group}.{key}", _plain(node)) for key, node in nodes.items()}


def _plain(node: Node) -> dict[str, Any]:
    return node.model_dump(by_alias=True)


def _make(key: str, arguments: dict[str, Any], *positional: Any, **more: Any) -> Any:
    """Build what ``_target_`` names, or refuse with the key and the constructor's own reason."""
    check_targets(arguments)
    _check_arguments(key, arguments)
    try:
        return instantiate(arguments, *positional, **more, _convert_="all")
    except InstantiationException as error:
        if invalid := _validation_error(
            error
        ):  # albumentations checks its arguments as covseg does
            first = invalid.errors()[0]
            where = ".".join(map(str, (key, *first["loc"][:1])))
            raise ConfigError(
                setting(where, first["input"]), "is not possible", wish(first)
            ) from error
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        raise ConfigError(key, f"cannot be built ({reason})", "change its arguments") from error


def _validation_error(error: BaseException | None) -> ValidationError | None:
    while error is not None and not isinstance(error, ValidationError):
        error = error.__cause__
    return error


# loggers that hand on what they do not know themselves, and to what
_HANDS_ON = {
    "lightning.pytorch.loggers.WandbLogger": "wandb.init",
    "lightning.pytorch.loggers.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter",
}


def _check_arguments(key: str, arguments: Mapping[str, Any]) -> None:
    """Hold the arguments against the constructor's signature, and types where they are told."""
    target = arguments["_target_"]
    typed = target.startswith(("covseg.", "lightning.pytorch.callbacks."))
    known = dict(inspect.signature(get_object(target), eval_str=typed).parameters)
    if target in _HANDS_ON:
        try:
            known |= inspect.signature(get_object(_HANDS_ON[target])).parameters
        except ImportError:  # the constructor says what has to be installed
            return
    elif any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name, value in arguments.items():
        if name == "_target_":
            continue
        if name not in known:
            raise ConfigError(
                setting(f"{key}.{name}", value), f"is no argument of {target}", nearest(name, known)
            )
        if typed:
            try:
                adapter = TypeAdapter(known[name].annotation, config=_ANY_TYPE)
                adapter.validate_python(value, strict=True)
            except ValidationError as error:
                raise ConfigError(
                    setting(f"{key}.{name}", value), "is not possible", wish(error.errors()[0])
                ) from error
