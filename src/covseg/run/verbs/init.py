"""``init=<run folder>``: the weights of another run as the start of this one."""

import logging
from collections.abc import Sequence

from torch import nn

from covseg.config.train import Train
from covseg.errors import ConfigError, setting
from covseg.run.folder.agreement import load_run_weights
from covseg.run.folder.run_folder import RunFolder

log = logging.getLogger(__name__)


def load_init(network: nn.Module, init: str, config: Train) -> None:
    """Put the weights that a run has reported into a network.

    Raises:
        CovsegError: the run folder cannot be used, or segments the targets in another order.
    """
    start = RunFolder(init, config.trust)
    _check_targets(init, start.config.data.targets, config.data.targets)
    load_run_weights(network, start, start.reported_checkpoint)


def _check_targets(init: str, before: Sequence[str], now: Sequence[str]) -> None:
    if before != now and sorted(before) == sorted(now):
        raise ConfigError(
            setting("data.targets", now),
            f"is in another order than in init={init}, so outputs would be swapped",
            f"set data.targets=[{','.join(before)}]",
        )
    if before != now:
        message = "init=%s segments %s: its last layer starts here with another meaning"
        log.warning(message, init, " and ".join(before))
