"""One job of a sweep as Hydra's task, and the record of what came of it."""

import contextlib
import logging
import os
import secrets
import shlex
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from covseg.errors import ConfigError, CovsegError, Pruned, RunError, setting
from covseg.run.command.compose import plain
from covseg.run.command.failures import print_failures, without_locals
from covseg.run.command.job import Job
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.run.processes.workers import in_worker, saving_workers
from covseg.run.verb import Verb

log = logging.getLogger(__name__)

SEARCH = "OptunaSweeper"


@dataclass
class Sweep:
    """The task that Hydra runs for each job.

    Attributes:
        verb: of the command line.
        command: as it was typed.
        folder: of the sweep.
        n_jobs: at a time in joblib's workers, None with another launcher.
        token: of this command, for the records of its jobs.
        process: number of the command's own.
        error: the first one in this process.
    """

    verb: Verb
    command: str
    folder: SweepFolder
    n_jobs: int | None = None
    token: str = field(default_factory=partial(secrets.token_hex, 4))
    process: int = field(default_factory=os.getpid)
    error: Exception | None = None

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal end the command when its jobs have saved their work.

        Raises:
            Stopped: by the signal.
            RunError: joblib has lost one of its processes, and ended the others.
        """
        if self.n_jobs is None:  # they are in this process, or on other machines
            yield
            return
        try:
            with saving_workers(self._stopped, self._running):
                yield
        except BrokenExecutor as error:
            raise RunError(
                f"a process of hydra.launcher.n_jobs={self.n_jobs}",
                "was ended from outside, most often for lack of memory, and joblib ended the rest",
                f"repeat the command with {self._again}, which goes on",
            ) from error

    @property
    def _again(self) -> str:
        return shlex.quote(f"hydra.sweep.dir={self.folder}")

    @property
    def _stopped(self) -> Path:
        return self.folder.path / f".stopped-{self.token}"

    def _running(self) -> bool:
        return any(
            job.command == self.token and job.status == "running" for job in self.folder.jobs()
        )

    def run_job(self, config: DictConfig) -> float | None:
        """Hydra's task function: one job, as Hydra has composed it."""
        if self.n_jobs is None or self.process == os.getpid():
            return self._job(config)
        with in_worker(self.process):
            return None if self._stopped.exists() else self._job(config)
        return None  # a signal has ended it

    def _job(self, config: DictConfig) -> float | None:
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
        search = sweeper if target.endswith(SEARCH) else None
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
        reads_folders = target.endswith(("BasicSweeper", SEARCH))
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
                n_jobs=self.n_jobs,
                taken=[job.run.path for job in self.folder.jobs() if job.folder != record.folder],
                started=self._tabulate,
            ).run()
        except Exception as error:
            self.error = self.error or without_locals(error)
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
        print_failures(failed)
        raise RunError(
            f"{len(failed)} of {len(jobs)} jobs",
            "failed, the others are done",
            f"correct what the table names, and repeat the command with {self._again}, which runs "
            "these again and no other",
        ) from self.error
