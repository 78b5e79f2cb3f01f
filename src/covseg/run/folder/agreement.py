"""A run folder's ``config.yaml`` against what its checkpoint was made with.

The one can be edited, or copied beside another run's checkpoint; then its numbers would be said to
come from what they do not come from.
"""

import logging
from pathlib import Path
from typing import Any

from torch import nn

from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.learn.checkpoint import put_weights, read_checkpoint
from covseg.learn.progress import KEY
from covseg.run.folder.reading import read_run
from covseg.run.folder.resume import changes
from covseg.validation import check

log = logging.getLogger(__name__)


def load_run_weights(network: nn.Module, run: Path, path: Path) -> None:
    """Put the weights of a run's checkpoint into a network.

    Args:
        network: as the run's configuration describes it.
        run: the run folder.
        path: of the checkpoint in it.

    Raises:
        RunError: the checkpoint cannot be used, or was made with another configuration.
    """
    stored = read_checkpoint(path)
    check_agreement(stored, path, run, read_run(run))
    put_weights(network, stored, path)


def check_last(run: Path, own: Train) -> None:
    """Hold the configuration with which a run is to go on against its last checkpoint.

    Raises:
        RunError: they differ in something that changes the result.
    """
    path = run / "checkpoints" / "last.ckpt"
    try:
        stored = read_checkpoint(path) if path.exists() else None
    except RunError:
        return  # whoever goes on from it says what is wrong with it
    if stored is None:
        return
    check_agreement(stored, path, run, own)
    _check_open_ended(stored, run, own)


def _check_open_ended(stored: dict[str, Any], run: Path, own: Train) -> None:
    """Refuse more epochs for a run that something else than their number has ended."""
    try:
        place, before = stored[KEY]["progress"], stored["hyper_parameters"]["trainer"]
        longer = own.trainer.max_epochs != before["max_epochs"]
        at_its_steps = 0 < before["max_steps"] <= place["step"]
        ended = "a callback" if place["stop"] else "trainer.max_steps"
        over, epochs = longer and (place["stop"] or at_its_steps), place["epoch"]
    except (LookupError, TypeError):  # which whoever goes on from it says
        return
    if over:
        raise RunError(
            run,
            f"was ended by {ended} in epoch {epochs}, so that trainer.max_epochs adds nothing",
            "start another run from its weights with init=<run folder>",
        )


def check_agreement(stored: dict[str, Any], path: Path, run: Path, own: Train) -> None:
    """Hold a run's configuration against the one that its checkpoint keeps.

    Args:
        stored: the checkpoint.
        path: of the checkpoint.
        run: the run folder.
        own: its configuration; may ask for more epochs than the checkpoint's.

    Raises:
        RunError: they differ in something that changes the result.
    """
    try:
        made_with = check(Train, stored["hyper_parameters"])
        changed = list(changes(made_with, own))
    except (ConfigError, LookupError, TypeError, AttributeError, RuntimeError):
        words = "%s does not say in this covseg's words what it was made with: %s is trusted"
        log.warning(words, path, run / "config.yaml")
        return
    for key, before, now in changed[:1]:
        raise RunError(
            run / "config.yaml",
            f"has {setting(key, now)}, and {path.name} was made with {setting(key, before)}",
            "write the old value there again; a new run may start from these weights with another "
            "value (init=<run folder>)",
        )
