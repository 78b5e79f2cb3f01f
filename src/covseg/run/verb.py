"""A verb of the command line: what it hands to the engine, which therefore imports no verb."""

import atexit
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from covseg.config.node import Node
from covseg.config.train import Train
from covseg.run import logs
from covseg.validation import check


@dataclass(frozen=True)
class Verb:
    """A verb.

    Attributes:
        name: ``train`` for ``covseg.train``.
        schema: of its configuration.
        as_training: its configuration -> that of the training run that it is about, if any.
        work: (configuration, run folder) -> objective; called in every process.
        sum_up: called with the run folders of a sweep behind its last job.
    """

    name: str
    schema: type[Node]
    as_training: Callable[[Any], Train | None]
    work: Callable[[Any, Path], float | None]
    sum_up: Callable[[Sequence[Path]], None] = lambda _: None

    def read_config(self, out: Path) -> Node:
        """The checked configuration of a run folder."""
        text = (out / "config.yaml").read_text(encoding="utf-8")
        return check(self.schema, yaml.safe_load(text))

    def do(self, out: Path) -> float | None:
        """The work of a claimed run folder, in this process.

        Raises:
            CovsegError: the configuration, the data, the training or the machine refuses.
            Stopped: by a signal.
        """
        config = self.read_config(out)
        training = self.as_training(config)
        if training is None:
            return self.work(config, out)
        from covseg.run import machine_errors  # Lightning comes in here: exploring does without

        logs.quiet_lightning()
        with machine_errors.worded(training.data, out):
            return self.work(config, out)


@atexit.register  # at the very end, or torch's threads die with the interpreter, loudly
def _leave_others() -> None:
    distributed = sys.modules.get("torch.distributed")  # no torch, no others
    if distributed is not None and distributed.is_initialized():
        leaving = threading.Thread(target=distributed.destroy_process_group, daemon=True)
        leaving.start()
        leaving.join(_PATIENCE)


_PATIENCE = 10  # seconds: after an error the others may be in a collective, for half an hour
