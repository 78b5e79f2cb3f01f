"""Callbacks and loggers."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L

from covseg.build.instantiate import arguments_of, make, parameters_of
from covseg.config.train import Train
from covseg.errors import ConfigError, nearest, setting
from covseg.measure.scores import Score, monitored


def callbacks(config: Train, scores: Mapping[str, Score]) -> list[L.Callback]:
    """The callbacks of the group ``callbacks``.

    Raises:
        ConfigError: a callback that cannot be built, or that monitors a score that does not exist
            or in the wrong direction.
    """
    known = monitored(scores)
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

    ``run_id`` lets W&B continue its run when a run is resumed.
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
