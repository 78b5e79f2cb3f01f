"""From the command line to the work of a verb: parse, compose, check, then a job or a sweep.

A run is composed and checked once, before Hydra makes a folder and before torch is imported.
"""

import os
import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override, run_job
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from covseg.config.conf import CONF
from covseg.errors import CovsegError, Stopped
from covseg.run import logs
from covseg.run.command.arguments import parse
from covseg.run.command.compose import compose_config, composer, own_folder, plain
from covseg.run.command.hydra_errors import refusal
from covseg.run.command.job import Job
from covseg.run.command.sweep import run_sweep
from covseg.run.folder.creation import not_writable
from covseg.run.override import REFUSALS
from covseg.run.processes.external import ExternalProcess, external_process, with_processes
from covseg.run.processes.signals import interruptible
from covseg.run.verb import Verb


def run_verb(verb: Verb) -> None:
    """Run a verb of the command line; a refusal is one sentence and exit code 1."""
    command = shlex.join(["python", "-m", f"covseg.{verb.name}", *sys.argv[1:]])
    process = external_process()
    logs.replace_unprintable()
    try:
        with interruptible():  # from the start on: a cluster may stop a job at any time
            if process is None:
                _compose_and_run(verb, command, None)
            elif process.rank > 0:
                own_folder(parse(sys.argv[1:]).config_dir)
                process.follow(verb, command)
            else:
                with process.leading():
                    _compose_and_run(verb, command, process)
    except (CovsegError, KeyboardInterrupt) as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        stopped = error if isinstance(error, CovsegError | Stopped) else Stopped(signal.SIGINT)
        sentence, exit_code = stopped.sentence, stopped.exit_code
        if process is not None and process.rank > 0:
            sentence = f"process {process.rank}: {sentence}"
    else:
        return
    # outside the handler, which would keep alive until the very end what the traceback refers to
    print(sentence, file=sys.stderr)  # noqa: T201  for the person, not the log
    sys.exit(exit_code)


def _compose_and_run(verb: Verb, command: str, process: ExternalProcess | None) -> None:
    arguments = parse(sys.argv[1:])
    asks = (arguments.help, arguments.hydra_help, arguments.info, arguments.cfg)
    if any(asks) or arguments.shell_completion:
        _show(verb, arguments)
        sys.exit(0)
    own = own_folder(arguments.config_dir)
    with composer(verb.name, own, arguments.overrides) as overrides:
        if arguments.multirun or "hydra.mode=MULTIRUN" in overrides:
            run_sweep(verb, command, overrides, process)
        else:
            _run_one(verb, command, overrides, process)


def _show(verb: Verb, arguments: Namespace) -> None:
    """``--help``, ``--cfg``, ``--info`` and shell completion are Hydra's."""
    show = hydra.main(version_base="1.3", config_path=str(CONF), config_name=verb.name)
    try:
        with env_override({"HYDRA_FULL_ERROR": "1"}):  # Hydra then raises its errors
            show(lambda _: None)()
    except REFUSALS as error:
        raise refusal(verb.name, arguments.overrides, error) from error


def _run_one(
    verb: Verb, command: str, overrides: Sequence[str], process: ExternalProcess | None
) -> None:
    config = compose_config(verb.name, overrides)
    if config.hydra.mode == RunMode.MULTIRUN:  # set by an option of the user's own
        run_sweep(verb, command, overrides, process)
        return
    checked = with_processes(verb.check(plain(config)), verb.name, process)
    request = verb.request(checked)

    def task(_: DictConfig) -> CovsegError | None:
        known = HydraConfig.get()
        os.chdir(known.runtime.cwd)  # hydra.job.chdir=true: not into the run folder
        fresh, own = Path(known.runtime.output_dir), list(known.overrides.task)
        try:
            Job(verb, command, checked, request, own, fresh, process=process).run()
        except CovsegError as error:
            return error  # past Hydra, which would print a line of its own
        return None

    try:
        callbacks = Callbacks(config)
        callbacks.on_run_start(config=config, config_name=verb.name)
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        done = run_job(task, config, "hydra.run.dir", None, context, configure_logging=False)
        callbacks.on_run_end(config=config, config_name=verb.name, job_return=done)
    except OSError as error:  # Hydra could not make the folder; errors of the task are in ``done``
        raise not_writable(error.filename, error) from error
    except REFUSALS as error:
        raise refusal(verb.name, overrides, error) from error
    if done.return_value is not None:
        raise done.return_value
