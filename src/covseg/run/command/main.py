"""From the command line to the work of a verb: compose, check, then a job, or one after the other.

The configuration is checked before Hydra makes a folder and before torch is imported.
"""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from covseg.config import CONF
from covseg.errors import ConfigError, CovsegError, Stopped
from covseg.run import logs, terminal
from covseg.run.command import presets
from covseg.run.command.arguments import jobs, parsed
from covseg.run.command.compose import plain
from covseg.run.command.hydra_errors import composed, refusal
from covseg.run.command.job import Job, settle_paths
from covseg.run.command.sweep import Sweep
from covseg.run.folder.creation import unwritable
from covseg.run.override import REFUSALS
from covseg.run.processes.external import Outer, outer
from covseg.run.processes.signals import interruptible
from covseg.run.verb import Verb
from covseg.validation import check


def run_verb(verb: Verb) -> None:
    """Run a verb of the command line; a refusal is one sentence and exit code 1."""
    command = ["python", "-m", f"covseg.{verb.name}", *sys.argv[1:]]
    os.environ["COVSEG_COMMAND"] = shlex.join(command)
    others = outer()
    terminal.show_what_it_can()
    try:
        # from the start on: a cluster may want its machine back at once
        with interruptible(), _hydra_handing_errors_through():
            if others is not None and others.rank > 0:
                _follow(verb, others)
            else:
                _lead(verb, others)
    except (CovsegError, KeyboardInterrupt) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        stopped = error if isinstance(error, CovsegError | Stopped) else Stopped(signal.SIGINT)
        sentence, exit_code = stopped.sentence, stopped.exit_code
        if others is not None and others.rank > 0:
            sentence = f"process {others.rank}: {sentence}"
    else:
        return
    # behind the error, which would keep open until the very end what its traceback leads to
    print(sentence, file=sys.stderr)  # noqa: T201  for the person, not the log
    sys.exit(exit_code)


@contextlib.contextmanager
def _hydra_handing_errors_through() -> Iterator[None]:
    """Hydra then words no error, because covseg does."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


def _follow(verb: Verb, others: Outer) -> None:
    """Be one of several processes that somebody else has started, and not the first."""
    if (out := others.hear()) is not None:
        logs.configure(None)
        verb.do(out)


def _lead(verb: Verb, others: Outer | None) -> None:
    try:
        _check_command_line(verb)
        if others is not None and parsed(sys.argv[1:]).multirun:
            raise ConfigError(
                "-m",
                "makes several runs, and torchrun or srun has started processes for one",
                "say -m without them and trainer.devices=<number>, or one command a run",
            )
        _hydra_main(verb, others)
    except BaseException:
        if others is not None:
            with contextlib.suppress(RuntimeError):  # torch's: they are gone already
                others.tell(None)
        raise


def _check_command_line(verb: Verb) -> None:
    """Refuse every job of the command line that cannot be, before the first one starts."""
    arguments = parsed(sys.argv[1:])
    asks = (arguments.help, arguments.hydra_help, arguments.info, arguments.cfg)
    if any(asks) or arguments.shell_completion:
        return
    wanted = jobs(arguments.overrides) if arguments.multirun else [arguments.overrides]
    own = arguments.config_dir  # presets of the user's own
    more = [presets.searchpath(own)] if own else []
    for overrides in wanted:
        with presets.located(overrides):
            values = composed(verb.name, [*overrides, *more])
            check(verb.schema, values)
        settle_paths(values)
        verb.as_training(check(verb.schema, values))  # a run folder that is named is read


def _hydra_main(verb: Verb, others: Outer | None) -> None:
    sweep, started, begun = Sweep(), list[Path](), list[Path]()
    refusals: list[CovsegError] = []

    def task(config: DictConfig) -> float | None:
        known = HydraConfig.get()
        os.chdir(known.runtime.cwd)  # hydra.job.chdir=true: a path means what it meant when typed
        overrides = list(known.overrides.task)
        out = Path(known.runtime.output_dir)
        started.append(out)
        if known.mode == RunMode.MULTIRUN:
            sweeper = str(known.sweeper._target_)
            job = Job(verb, plain(config), overrides, out, sweeper, others, begun)
            # a search, or a launcher with processes of its own, must see an error itself
            launcher = str(known.launcher._target_)
            own = sweeper.endswith("BasicSweeper") and launcher.endswith("BasicLauncher")
            with contextlib.suppress(*[Exception] * own), sweep.noted(out, overrides):
                return job.run()
            return None
        try:
            return Job(verb, plain(config), overrides, out, None, others).run()
        except CovsegError as error:
            refusals.append(error)  # past Hydra, which would print a line of its own
            return None

    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb.name)(task)()
    except Exception as error:
        sweep.check()
        if started or not isinstance(error, (OSError, *REFUSALS)):
            raise
        if isinstance(error, OSError) and not isinstance(error, HydraException):
            raise unwritable(error.filename, error) from error  # Hydra's own making of the folder
        raise refusal(verb.name, parsed(sys.argv[1:]).overrides, error) from error
    try:
        if sweep.jobs:
            verb.sum_up(begun)
    finally:
        sweep.check()
    if refusals:
        raise refusals[0]
