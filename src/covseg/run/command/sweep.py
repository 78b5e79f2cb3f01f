"""The jobs of a sweep, one after the other: one that fails does not stop the others.

Each is composed and checked before the first one starts, so that no job is refused overnight, and
composed again by Hydra's launcher in its turn, which may be on another machine.
"""

import contextlib
import importlib.util
import logging
import os
import secrets
import shlex
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.table import Table

from covseg.errors import ConfigError, CovsegError, Pruned, RunError, setting
from covseg.run.command.arguments import jobs
from covseg.run.command.compose import compose_config, plain
from covseg.run.command.hydra_errors import refusal
from covseg.run.command.job import Job
from covseg.run.folder.creation import not_writable
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.run.override import REFUSALS
from covseg.run.processes.external import ExternalProcess
from covseg.run.verb import Verb

log = logging.getLogger(__name__)

_WIDTH = 80
_SEARCH = "OptunaSweeper"


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
    sweeper = None
    try:
        config = _multirun(verb.name, overrides)
        for job in _jobs(config, overrides):
            checked = verb.check(plain(compose_config(verb.name, job)))
            if _searches(config):
                _check_search(checked)
            verb.request(checked)
        # as Hydra names job folders: without dots, but with symbolic links
        path = Path(os.path.abspath(config.hydra.sweep.dir))  # noqa: PTH100
        sweep = Sweep(verb, command, SweepFolder(path))
        context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
        sweeper = _sweeper(config, context, sweep.run_job)
        context.callbacks.on_multirun_start(config=config, config_name=verb.name)
        sweeper.sweep(list(config.hydra.overrides.task))
        context.callbacks.on_multirun_end(config=config, config_name=verb.name)
    except (OSError, *REFUSALS) as error:
        if sweeper is not None and sweep.folder.jobs():
            sweep.check()
            raise
        if isinstance(error, OSError) and not isinstance(error, HydraException):
            raise not_writable(error.filename, error) from error  # Hydra could not make the folder
        raise refusal(verb.name, overrides, error) from error
    try:
        verb.after_sweep(sweep.folder, command)
    except CovsegError:
        sweep.check()
        raise
    sweep.check()


def _multirun(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of the sweep itself, with what varies left to the sweeper."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.compose_config(verb, list(overrides), run_mode=RunMode.MULTIRUN)


def _jobs(config: DictConfig, overrides: Sequence[str]) -> list[list[str]]:
    """What is checked before the first job: every job, or the corners of the space of a search."""
    params = config.hydra.sweeper.get("params") or {}
    swept = [*(f"{key}={value}" for key, value in params.items()), *overrides]
    if not _searches(config):
        return jobs(swept)
    from covseg.run.command.search_space import search_space  # imports Optuna

    return search_space(swept, config).corners()


def _sweeper(config: DictConfig, context: HydraContext, task: TaskFunction) -> Sweeper:
    """Hydra's sweeper, or covseg's own, which Hydra would only load from ``hydra_plugins``."""
    parts: Any = {"config": config, "hydra_context": context, "task_function": task}
    if not _searches(config):
        return Plugins.instance().instantiate_sweeper(**parts)
    from covseg.run.command.search import OptunaSweeper

    options: Any = OmegaConf.to_container(config.hydra.sweeper)
    del options["_target_"]
    sweeper = OptunaSweeper(**options)
    sweeper.setup(**parts)
    return sweeper


def _check_search(checked: Any) -> None:
    from covseg.run.command.search import check_search  # imports Optuna

    check_search(checked)


def _searches(config: DictConfig) -> bool:
    """Whether the sweeper is covseg's own.

    Raises:
        ConfigError: Optuna is missing.
    """
    if not str(config.hydra.sweeper._target_).endswith(_SEARCH):
        return False
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("hydra/sweeper=optuna", "needs Optuna", "pip install optuna")
    return True


@dataclass
class Sweep:
    """The task that Hydra runs for each job.

    Attributes:
        verb: of the command line.
        command: as it was typed.
        folder: of the sweep.
        token: of this command, for the records of its jobs.
        error: the first one in this process.
    """

    verb: Verb
    command: str
    folder: SweepFolder
    token: str = field(default_factory=partial(secrets.token_hex, 4))
    error: Exception | None = None

    def run_job(self, config: DictConfig) -> float | None:
        """Hydra's task function: one job, as Hydra has composed it."""
        known = HydraConfig.get()
        os.chdir(known.runtime.cwd)  # hydra.job.chdir=true: not into the run folder
        overrides, made = list(known.overrides.task), Path(known.runtime.output_dir)
        if made.parent != self.folder.path:
            raise ConfigError(
                setting("hydra.sweep.subdir", os.path.relpath(made, self.folder.path)),
                "is not a folder in the sweep folder",
                "leave it out, or give a name without /",
            )
        sweeper: Any = OmegaConf.to_container(known.sweeper)
        target = sweeper.pop("_target_")
        sweeper.pop("params", None)
        search = sweeper if target.endswith(_SEARCH) else None
        with self.folder.lock:
            folder = self.folder.folder_of(overrides, made)
            record = SweepJob(
                number=int(known.job.num),
                overrides=overrides,
                command=self.token,
                folder=folder,
                run=RunFolder(folder),
                search=search,
            )
            record.write()
        if folder != made:
            with contextlib.suppress(OSError):  # another job's
                made.rmdir()
        # any other sweeper must see an error itself
        reads_folders = target.endswith(("BasicSweeper", _SEARCH))
        with contextlib.suppress(*[Exception] * reads_folders):
            return self._recorded(record, config, target)
        return None

    def _recorded(self, record: SweepJob, config: DictConfig, sweeper: str) -> float | None:
        """Run a job and record what comes of it."""
        try:
            checked = self.verb.check(plain(config))
            outcome = Job(
                verb=self.verb,
                command=self.command,
                config=checked,
                request=self.verb.request(checked),
                overrides=record.overrides,
                fresh=record.folder,
                sweeper=sweeper,
                taken=[job.run.path for job in self.folder.jobs() if job.folder != record.folder],
                started=self._tabulate,
            ).run()
        except Exception as error:
            self.error = self.error or _without_locals(error)
            place = os.path.relpath(record.folder)
            reason = f"{type(error).__name__}: {error}; see the log in {place}"
            if isinstance(error, CovsegError):
                reason = error.sentence
            replace(record, reason=reason, pruned=isinstance(error, Pruned)).write()
            raise
        else:
            replace(record, run=RunFolder(outcome.folder)).write()
            return outcome.objective
        finally:
            self._tabulate()

    def _tabulate(self) -> None:
        """Write the table of the sweep so far; a failure is no reason to end the job."""
        try:
            with self.folder.lock:
                self.verb.after_job(self.folder)
        except CovsegError as error:
            log.warning("%s", error.sentence)

    def check(self) -> None:
        """Print the jobs that failed.

        Raises:
            RunError: a job has.
        """
        jobs = [job for job in self.folder.jobs() if job.command == self.token]
        failed = [job for job in jobs if job.status not in {"finished", "pruned"}]
        if not failed:
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name, ratio in (("job", None), ("overrides", 1), ("why it failed", 2)):
            table.add_column(name, ratio=ratio, overflow="fold")
        for job in failed:
            reason = job.reason or "its process ended without a message"
            table.add_row(job.folder.name, " ".join(job.overrides), reason)
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        console.print(table, width=min(_WIDTH, console.width))
        raise RunError(
            f"{len(failed)} of {len(jobs)} jobs",
            "failed, the others are done",
            "correct what the table names, and repeat the command with "
            f"{shlex.quote(f'hydra.sweep.dir={self.folder}')}, which runs these again and no other",
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
