"""A run folder's ``config.yaml`` against what its checkpoint was made with.

The file can be edited, or copied next to another run's checkpoint; the numbers would then be
attributed to a configuration that they do not come from.
"""

import logging
from pathlib import Path
from typing import Any

from torch import nn

from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.learn.checkpoint import put_weights, read_checkpoint
from covseg.learn.progress import KEY
from covseg.run.folder.older import updated
from covseg.run.folder.resume import changes
from covseg.run.folder.run_folder import RunFolder
from covseg.validation import check

log = logging.getLogger(__name__)


def load_run_weights(network: nn.Module, run: RunFolder, path: Path) -> None:
    """Put the weights of a run's checkpoint into a network.

    Args:
        network: as the run's configuration describes it.
        run: its folder.
        path: of the checkpoint in it.

    Raises:
        RunError: the checkpoint cannot be used, or was made with another configuration.
    """
    stored = read_checkpoint(path)
    check_agreement(stored, path, run, run.config)
    put_weights(network, stored, path)


def check_last(run: RunFolder, own: Train) -> None:
    """Compare the configuration with which a run is resumed with its last checkpoint.

    Raises:
        RunError: they differ in something that changes the result.
    """
    try:
        stored = read_checkpoint(run.last) if run.last.exists() else None
    except RunError:
        return  # training reads it again and reports what is wrong with it
    if stored is not None:
        check_agreement(stored, run.last, run, own)
        _check_open_ended(stored, run, own)


def _check_open_ended(stored: dict[str, Any], run: RunFolder, own: Train) -> None:
    """Refuse more epochs for a run that something else than their number has ended."""
    try:
        place, before = stored[KEY]["progress"], stored["hyper_parameters"]["trainer"]
        longer = own.trainer.max_epochs != before["max_epochs"]
        at_its_steps = 0 < before["max_steps"] <= place["step"]
        ended = "a callback" if place["stop"] else "trainer.max_steps"
        over, epochs = longer and (place["stop"] or at_its_steps), place["epoch"]
    except (LookupError, TypeError):  # training reports it
        return
    if over:
        raise RunError(
            run,
            f"was ended by {ended} in epoch {epochs}, so that trainer.max_epochs adds nothing",
            "start another run from its weights with init=<run folder>",
        )


def check_agreement(stored: dict[str, Any], path: Path, run: RunFolder, own: Train) -> None:
    """Compare a run's configuration with the one that its checkpoint was made with.

    Args:
        stored: the checkpoint.
        path: of the checkpoint.
        run: its folder.
        own: its configuration; may ask for more epochs than the checkpoint's.

    Raises:
        RunError: they differ in something that changes the result.
    """
    try:
        made_with = check(Train, updated(stored["hyper_parameters"]), own.trust)
        changed = list(changes(made_with, own))
    except (ConfigError, LookupError, TypeError, AttributeError, RuntimeError):
        log.warning(
            "%s has no configuration that this covseg can read, so it is not compared with %s",
            path,
            run.config_file,
        )
        return
    for key, before, now in changed[:1]:
        raise RunError(
            run.config_file,
            f"has {setting(key, now)}, and {path.name} was made with {setting(key, before)}",
            "write the old value there again; to train these weights further with another value, "
            "start a new run with init=<run folder>",
        )
