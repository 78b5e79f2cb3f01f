"""A verb of the command line, as the engine sees it: the engine therefore imports no verb."""

import atexit
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.config.node import Node
from covseg.config.train import Train
from covseg.errors import RunError, reason_of
from covseg.run import logs
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.validation import check, trusted_packages

_PATIENCE = 10  # seconds: after an error others may be in a collective for half an hour


@dataclass(frozen=True)
class Verb:
    """A verb.

    Attributes:
        name: ``train`` for ``covseg.train``.
        schema: of its configuration.
        request: checked configuration -> what ``work`` takes; reads a run folder that is named.
        training: a request -> configuration of the training run that it is about, if any.
        work: (request, run folder, command) -> objective; called in every process.
        after_job: called with the sweep folder after each job, in the process of the job.
        after_sweep: called with the sweep folder and the command after the last job.
    """

    name: str
    schema: type[Node]
    request: Callable[[Any], Any]
    training: Callable[[Any], Train | None]
    work: Callable[[Any, Path, str], float | None]
    after_job: Callable[[SweepFolder], None] = lambda _sweep: None
    after_sweep: Callable[[SweepFolder, str], None] = lambda _sweep, _command: None

    def check(self, values: Mapping[str, Any]) -> Any:
        """The checked configuration of a command line; what it trusts is its own choice."""
        if isinstance(trust := values.get("trust"), list):
            values = {**values, "trust": trusted_packages(list(map(str, trust)))}
        return self.recheck(values)

    def recheck(self, values: Mapping[str, Any]) -> Any:
        """The configuration of a run folder that this very command has created."""
        return check(self.schema, values, values.get("trust", ()))

    def run(self, request: Any, out: Path, command: str) -> float | None:
        """Do the work in this process.

        Args:
            request: made by ``request``.
            out: the run folder, with its ``config.yaml``.
            command: as it was typed, for the provenance.

        Raises:
            CovsegError: the data, the training or the machine refuses.
            Stopped: by a signal.
        """
        training = self.training(request)
        with _torchvision_that_fits():
            if training is None:
                return self.work(request, out, command)
            from covseg.run.machine_errors import in_one_sentence  # Lightning: not for explore

        logs.quiet_lightning()
        with in_one_sentence(training.data, out):
            return self.work(request, out, command)


@contextlib.contextmanager
def _torchvision_that_fits() -> Iterator[None]:
    """Torchmetrics imports torchvision where it is installed, and may fail with it.

    Raises:
        RunError: it was built for another torch.
    """
    try:
        yield
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        raise RunError(
            "the installed torchvision",
            f"does not fit the installed torch ({reason_of(error)})",
            "install both from the same index, or pip uninstall torchvision",
        ) from error


@atexit.register  # at the very end, or torch's threads die with the interpreter, loudly
def _leave_process_group() -> None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_initialized():
        leaving = threading.Thread(target=distributed.destroy_process_group, daemon=True)
        leaving.start()
        leaving.join(_PATIENCE)
