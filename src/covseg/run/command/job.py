"""One job of the command line: its run folder is created or reopened, then a verb works in it.

With more than one process the one that Hydra runs never becomes a rank (see ``launch``), unless it
was started as one (see ``external``).
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.config.node import Node
from covseg.config.train import Train
from covseg.errors import ConfigError, CovsegError, Crash, RunError, setting
from covseg.run import logs
from covseg.run.folder import resume
from covseg.run.folder.creation import clear, create, discard, reopened
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder
from covseg.run.processes.external import ExternalProcess
from covseg.run.verb import Verb

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A job that is done: where, and its objective."""

    folder: Path
    objective: float | None


@dataclass(frozen=True)
class Job:
    """A job before it starts.

    Attributes:
        verb: of the command line.
        command: as it was typed.
        config: the checked configuration.
        request: what the verb makes of it.
        overrides: of this job.
        fresh: the folder that Hydra has made for it.
        sweeper: the class that made it one of several, None for a single run.
        process: this one among others that were started with it, of which it is the first.
        taken: run folders that other jobs of the sweep have worked in.
        n_jobs: of the sweep at a time on this machine, None for one after the other.
        started: called when the job holds its run folder.
    """

    verb: Verb
    command: str
    config: Node
    request: Any
    overrides: Sequence[str]
    fresh: Path
    sweeper: str | None = None
    process: ExternalProcess | None = None
    taken: Sequence[Path] = ()
    n_jobs: int | None = None
    started: Callable[[], None] = lambda: None

    def run(self) -> Outcome:
        """Do the job.

        Raises:
            CovsegError: refused, or failed in a way that a sentence can correct.
        """
        try:
            config, request = self.config, self.request
            if isinstance(config, Train):
                request = config = self._settled(config)
                if config.resume is not None:
                    return self._resume(config, RunFolder(config.resume, config.trust))
                request = config = _with_precision(config)
            run = RunFolder(self.fresh)
            if self.sweeper:
                return self._again(request, config, run)
            create(run, self.verb.name, config, in_sweep=False)
            with locked(run):
                return self._work(request, run, new=True)
        finally:
            with contextlib.suppress(OSError):
                self.fresh.rmdir()  # unless a run is in it, or other files

    def _resume(self, config: Train, run: RunFolder) -> Outcome:
        if run.path in self.taken:
            raise RunError(run, "is resumed by another job of this sweep", "resume it without -m")
        kept = resume.config_to_resume(run, config, self.overrides)
        if self.process:
            self.process.check_same(config.trainer, kept.trainer, run)
        if resume.nothing_left(run, kept):
            print(f"{run} is finished: nothing left to do", file=sys.stderr)  # noqa: T201
            self._publish(None)
            return Outcome(run.path, run.objective)
        with locked(run):
            from covseg.run.folder.agreement import check_last  # imports Lightning

            check_last(run, kept)
            with reopened(run, self.verb.name, kept, in_sweep=bool(self.sweeper)):
                return self._work(kept, run, new=False)

    def _work(self, request: Any, run: RunFolder, new: bool) -> Outcome:
        self._publish(run.path)
        self.started()
        try:
            return Outcome(run.path, self._in_processes(request, run))
        except (CovsegError, KeyboardInterrupt) as error:
            log.log(logs.FAILURE, getattr(error, "sentence", "stopped"))
            if new and not isinstance(error, Crash):  # whose traceback is in the log
                discard(run, self.verb.name)
            raise
        except Exception:
            log.log(logs.FAILURE, "not one of the errors that covseg knows", exc_info=True)
            raise

    def _in_processes(self, request: Any, run: RunFolder) -> float | None:
        """Work here, or in processes that are started for it."""
        training = self.verb.training(request)
        if training is None or self.process:
            return self.verb.run(request, run.path, self.command)
        from covseg import devices  # imports torch, after every refusal that needs none
        from covseg.run.processes.launch import launch
        from covseg.run.processes.share import VISIBLE, machine_share

        processes = devices.processes(training.trainer)
        if (n_nodes := training.trainer.num_nodes) > 1:
            raise ConfigError(
                setting("trainer.num_nodes", n_nodes),
                "needs a program that starts covseg on every machine",
                f"start python -m covseg.{self.verb.name} with srun or torchrun --nnodes, or set "
                "trainer.num_nodes=1",
            )
        with machine_share(training.trainer, processes, self.n_jobs) as share:
            # one that runs out of memory must not take the jobs beside it along
            beside_others = self.n_jobs is not None and sys.platform == "linux"
            if processes > 1 or beside_others or VISIBLE in share:
                return launch(self.verb.name, run, self.command, processes, share)
        return self.verb.run(request, run.path, self.command)

    def _settled(self, config: Train) -> Train:
        """The configuration without anything open: ``resume`` names a folder, or there is none."""
        protocol = config.protocol
        if protocol.select is None and self.sweeper and not self.sweeper.endswith("BasicSweeper"):
            raise ConfigError(
                f"protocol={protocol.name}",
                "has no objective, because Test never steers anything, and a search needs one",
                "search with protocol=holdout",
            )
        if protocol.report == "auto":
            report = protocol.model_copy(update={"report": "Val" if self.sweeper else "Test"})
            config = config.model_copy(update={"protocol": report})
        if self.sweeper and config.resume in {None, "auto"} and self._continues(config):
            config = config.model_copy(update={"resume": str(self.fresh)})
        if config.resume == "auto":
            near = [self.fresh.parent]
            if self.sweeper:  # jobs of other sweeps
                near += [path for path in self.fresh.parent.parent.iterdir() if path.is_dir()]
            run = resume.find(config, near, self.taken)
            config = config.model_copy(update={"resume": str(run) if run else None})
        return config

    def _continues(self, config: Train) -> bool:
        """Whether an earlier command of the sweep has begun this job.

        Raises:
            RunError: it was another configuration.
        """
        run = RunFolder(self.fresh, config.trust)
        if not run.finished and not run.last.exists():
            return False
        for key, before, now in resume.changes(run.config, config):
            raise RunError(
                run.config_file,
                f"has {setting(key, before)}, where this sweep has {setting(key, now)} now",
                "start another sweep",
            )
        return True

    def _again(self, request: Any, config: Node, run: RunFolder) -> Outcome:
        """Begin a job of a sweep in its folder, which an earlier command may have begun."""
        run.path.mkdir(parents=True, exist_ok=True)
        with locked(run):
            if isinstance(config, Train) and (run.finished or run.last.exists()):
                raise RunError(
                    run, "was begun by another command in this moment", "repeat the command"
                )
            clear(run, self.verb.name)
            create(run, self.verb.name, config, in_sweep=True)
            return self._work(request, run, new=True)

    def _publish(self, folder: Path | None) -> None:
        if self.process:
            self.process.publish(folder)


def _with_precision(config: Train) -> Train:
    """The configuration with the precision of this machine; a resumed run keeps its own."""
    from covseg import devices  # imports torch, after every refusal that needs none

    trainer = config.trainer
    # Lightning cannot clip what a fused optimizer scales
    if config.optimizer.fused and trainer.gradient_clip_val is not None:
        trainer = trainer.model_copy(update={"precision": "32-true"})
    return config.model_copy(update={"trainer": devices.with_precision(trainer)})
