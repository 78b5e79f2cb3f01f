"""A verb of the command line: what it hands to the engine, which therefore imports no verb."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from covseg.config import Node, Train
from covseg.errors import Stopped
from covseg.validation import check


@dataclass(frozen=True)
class Verb:
    """A verb.

    Attributes:
        name: ``train`` for ``covseg.train``.
        schema: of its configuration.
        as_training: its configuration -> that of the training run that it is about.
        work: (configuration, run folder) -> objective; called in every process.
    """

    name: str
    schema: type[Node]
    as_training: Callable[[Any], Train]
    work: Callable[[Any, Path], float | None]

    def read_config(self, out: Path) -> Node:
        """The checked configuration of a run folder."""
        text = (out / "config.yaml").read_text(encoding="utf-8")
        return check(self.schema, yaml.safe_load(text))

    def do(self, out: Path) -> float | None:
        """The work of a claimed run folder, in this process.

        Raises:
            CovsegError: the configuration, the data, the training or the machine refuses.
        """
        from torch import distributed

        from covseg.run import faults

        config = self.read_config(out)
        try:
            with faults.worded(self.as_training(config).data, out):
                return self.work(config, out)
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            raise Stopped(signal.SIGINT) from error
        finally:
            if distributed.is_initialized():  # or its threads die with the interpreter, loudly
                distributed.destroy_process_group()
