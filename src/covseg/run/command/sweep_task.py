"""One job of a sweep as Hydra's task, and the record of what came of it."""

import contextlib
import logging
import os
import secrets
import shlex
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from covseg.errors import ConfigError, CovsegError, Pruned, RunError, Stopped, reason_of, setting
from covseg.run.command.compose import plain
from covseg.run.command.failures import raise_failures, without_locals
from covseg.run.command.job import Job
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.run.processes.external import ExternalProcess, external_process, with_processes
from covseg.run.processes.hand_over import hand_over
from covseg.run.processes.workers import in_worker, saving_workers
from covseg.run.verb import Verb

log = logging.getLogger(__name__)

SEARCH = "OptunaSweeper"


class Unrecorded(RunError):  # noqa: N818  it is one of the errors of errors.py
    """A job that has not begun, of which no record tells: the sweeper itself must see it."""


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
        saving: Any = contextlib.nullcontext()  # jobs are in this process, or on other machines
        if self.n_jobs is not None:
            saving = saving_workers(self._stopped, self._running)
        try:
            with saving:
                yield
        except Stopped:
            self._tabulate(last=True)
            raise
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
        return any(job.status == "running" for job in self.folder.jobs_of(self.token))

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
        if (made := Path(known.runtime.output_dir)).parent != self.folder.path:
            raise ConfigError(
                setting("hydra.sweep.subdir", os.path.relpath(made, self.folder.path)),
                "is not a folder in the sweep folder",
                "leave it out, or give a name without /",
            )
        process = external_process()  # of a launcher that starts several for a job
        if process is not None and process.rank > 0:
            self._follow(process)
            return None
        sweeper: Any = OmegaConf.to_container(known.sweeper)
        target = sweeper.pop("_target_")
        sweeper.pop("params", None)
        leading = process.leading() if process else contextlib.nullcontext()
        try:
            with leading:
                record = self._begin(known, sweeper if target.endswith(SEARCH) else None)
                return self._recorded(record, config, target, process)
        except Stopped as stopped:
            hand_over(stopped)  # to a launcher that has the job started again
            raise
        except Exception as error:
            # any other sweeper must see every error itself
            reads_folders = target.endswith(("BasicSweeper", SEARCH))
            if isinstance(error, Unrecorded) or not reads_folders:
                raise
        return None

    def _follow(self, process: ExternalProcess) -> None:
        """Be one of several processes of a job, and not the first."""
        try:
            with contextlib.suppress(Stopped):  # the first process has the job started again
                process.follow(self.verb, self.command)
        except Exception as error:  # noqa: BLE001  Hydra would keep it for itself
            reason = error.sentence if isinstance(error, CovsegError) else traceback.format_exc()
            print(f"process {process.rank}: {reason}", file=sys.stderr)  # noqa: T201
            sys.exit(1)

    def _begin(self, known: HydraConf, search: dict[str, Any] | None) -> SweepJob:
        """Record that a job has started, and in which folder.

        Raises:
            Unrecorded: the folder of the sweep cannot be written or locked.
        """
        overrides, made = list(known.overrides.task), Path(known.runtime.output_dir)
        try:
            record = self.folder.begin(int(known.job.num), overrides, self.token, made, search)
        except (OSError, NotImplementedError, RunError) as error:
            raise Unrecorded(
                f"hydra.sweep.dir={self.folder}",
                f"cannot be written ({reason_of(error.__cause__ or error)})",
                f"make it writable, and repeat the command with {self._again}, which goes on",
            ) from error
        if record.folder != made:
            with contextlib.suppress(OSError):  # another job's
                made.rmdir()
        return record

    def _recorded(
        self, record: SweepJob, config: DictConfig, sweeper: str, process: ExternalProcess | None
    ) -> float | None:
        """Run a job and record what comes of it.

        Raises:
            Unrecorded: it still runs in another process.
        """
        try:
            outcome = self._composed(record, config, sweeper, process).run()
        except Exception as error:
            self.error = self.error or without_locals(error)
            if record.status == "running":
                raise Unrecorded(
                    record.run,
                    "still runs, begun by another command",
                    f"wait for it, or stop it, and repeat the command with {self._again}",
                ) from error
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

    def _composed(
        self, record: SweepJob, config: DictConfig, sweeper: str, process: ExternalProcess | None
    ) -> Job:
        def started() -> None:
            record.write()
            self._tabulate()

        checked = with_processes(self.verb.check(plain(config)), self.verb.name, process)
        return Job(
            verb=self.verb,
            command=self.command,
            config=checked,
            request=self.verb.request(checked),
            overrides=record.overrides,
            fresh=record.folder,
            sweeper=sweeper,
            n_jobs=self.n_jobs,
            process=process,
            taken=[job.run.path for job in self.folder.jobs() if job.folder != record.folder],
            started=started,
        )

    def _tabulate(self, last: bool = False) -> None:
        """Write the table of the sweep so far; a failure is no reason to end the job.

        Args:
            last: however recent the one before is.
        """
        try:
            with self.folder.lock:
                if last or not self.folder.recent_table:
                    self.verb.after_job(self.folder)
        except (CovsegError, OSError) as error:
            log.warning("%s", error)

    def check(self) -> None:
        """Print the jobs that failed.

        Raises:
            RunError: a job has.
        """
        raise_failures(self.folder, self.token, self._again, self.error)
