"""The jobs of a sweep, one after the other: one that fails does not stop the others.

Each is composed and checked before the first one starts, so that no job is refused overnight, and
composed again by Hydra's launcher in its turn, which may be on another machine.
"""

import contextlib
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.table import Table

from covseg.errors import ConfigError, CovsegError, RunError
from covseg.run.command.arguments import jobs
from covseg.run.command.compose import compose_config, plain
from covseg.run.command.hydra_errors import refusal
from covseg.run.command.job import Job
from covseg.run.folder.creation import not_writable
from covseg.run.override import REFUSALS
from covseg.run.processes.external import ExternalProcess
from covseg.run.verb import Verb

_WIDTH = 80


def run_sweep(
    verb: Verb, command: str, overrides: Sequence[str], process: ExternalProcess | None
) -> None:
    """Run every job of a multirun, then what the verb makes of all of them.

    Raises:
        ConfigError: a job that cannot be, before the first one starts.
        RunError: a job has failed.
    """
    if process is not None:
        raise ConfigError(
            "-m",
            "makes several runs, and torchrun or srun has started processes for one",
            "use -m without them and trainer.devices=<number>, or one command per run",
        )
    for job in jobs(overrides):
        verb.request(verb.check(plain(compose_config(verb.name, job))))
    sweep = Sweep(verb, command)
    multirun = GlobalHydra.instance().hydra
    assert multirun is not None
    try:
        multirun.multirun(verb.name, sweep.run_job, list(overrides))
    except (OSError, *REFUSALS) as error:
        sweep.check()
        if sweep.jobs:
            raise
        if isinstance(error, OSError) and not isinstance(error, HydraException):
            raise not_writable(error.filename, error) from error  # Hydra could not make the folder
        raise refusal(verb.name, overrides, error) from error
    try:
        verb.summarize(sweep.folders, command)
    finally:
        sweep.check()


@dataclass
class Sweep:
    """The jobs of a sweep so far.

    Attributes:
        verb: of the command line.
        command: as it was typed.
        jobs: folder, overrides, and why it failed; None for a job that did not.
        folders: of the runs that are done.
        error: the first.
    """

    verb: Verb
    command: str
    jobs: list[tuple[Path, str, str | None]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    error: Exception | None = None

    def run_job(self, config: DictConfig) -> float | None:
        """Hydra's task function: one job, as Hydra has composed it."""
        known = HydraConfig.get()
        os.chdir(known.runtime.cwd)  # hydra.job.chdir=true: not into the run folder
        overrides, fresh = list(known.overrides.task), Path(known.runtime.output_dir)
        sweeper, launcher = str(known.sweeper._target_), str(known.launcher._target_)
        # a search, or a launcher with processes of its own, must see an error itself
        basic = sweeper.endswith("BasicSweeper") and launcher.endswith("BasicLauncher")
        with contextlib.suppress(*[Exception] * basic), self._recorded(fresh, overrides):
            checked = self.verb.check(plain(config))
            request = self.verb.request(checked)
            job = Job(
                *(self.verb, self.command, checked, request, overrides, fresh, sweeper),
                taken=self.folders,
            )
            outcome = job.run()
            self.folders.append(outcome.folder)
            return outcome.objective
        return None

    @contextlib.contextmanager
    def _recorded(self, out: Path, overrides: Sequence[str]) -> Iterator[None]:
        """Record what comes of a job; its error passes."""
        reason = None
        try:
            yield
        except Exception as error:
            self.error = self.error or _without_locals(error)
            reason = f"{type(error).__name__}: {error}; see the log in {os.path.relpath(out)}"
            if isinstance(error, CovsegError):
                reason = error.sentence
            raise
        finally:
            self.jobs.append((out, " ".join(overrides), reason))

    def check(self) -> None:
        """Print the jobs that failed.

        Raises:
            RunError: a job has.
        """
        failed = [job for job in self.jobs if job[2] is not None]
        if not failed:
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name, ratio in (("job", None), ("overrides", 1), ("why it failed", 2)):
            table.add_column(name, ratio=ratio, overflow="fold")
        for out, overrides, reason in failed:
            table.add_row(out.name, overrides, reason)
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        console.print(table, width=min(_WIDTH, console.width))
        raise RunError(
            f"{len(failed)} of {len(self.jobs)} jobs",
            "failed, the others are done",
            "correct what the table names, and run those again",
        ) from self.error


def _without_locals(error: Exception) -> Exception:
    """An error whose traceback no longer holds what its job worked with, such as a GPU's memory."""
    known, chain = set[int](), [error]
    while chain:
        one = chain.pop()
        known.add(id(one))
        traceback.clear_frames(one.__traceback__)
        causes = (one.__cause__, one.__context__)
        chain += [c for c in causes if isinstance(c, Exception) and id(c) not in known]
    return error
