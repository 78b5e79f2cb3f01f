"""Callbacks and loggers."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L

from covseg.build.instantiate import accepted, arguments_of, make
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


def loggers(config: Train, out: Path, **of_run: Any) -> list[Any]:
    """The loggers of the group ``logger``, writing into the run folder.

    Args:
        config: of the run.
        out: the run folder.
        of_run: what the run is called: ``name``, ``id``, ``group``, ``job_type``, ``tags``; each of
            covseg's loggers gets those that it takes and that its configuration does not set.
    """
    made = []
    for key, node in config.logger.items():
        arguments, values = arguments_of(node), {"save_dir": str(out)}
        if node.target.startswith("covseg."):
            values |= of_run
        with contextlib.suppress(Exception):  # which ``make`` reports
            taken = accepted(node.target)
            arguments = {name: v for name, v in values.items() if name in taken} | arguments
        made.append(make(f"logger.{key}", arguments))
    return made
