"""The jobs of a sweep, one after the other: one that fails does not stop the others.

Each is composed and checked before the first one starts, so that no job is refused overnight, and
composed again by Hydra's launcher in its turn, which may be on another machine.
"""

import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from covseg.config.train import Train
from covseg.errors import ConfigError, CovsegError
from covseg.run.command.arguments import jobs, overrides_of
from covseg.run.command.compose import compose_config, plain
from covseg.run.command.hydra_errors import refusal
from covseg.run.command.sweep_task import SEARCH, Sweep
from covseg.run.folder.creation import not_writable
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.run.override import REFUSALS
from covseg.run.processes.external import ExternalProcess
from covseg.run.verb import Verb

_TEST = "These jobs report Test: choose nothing by it, or Test is no longer unseen."


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
    sweep = folder = launcher = None
    try:
        config = _multirun(verb.name, overrides)
        search = _search(config)
        _check_jobs(verb, overrides, config, search)
        launcher = config.hydra.runtime.choices["hydra/launcher"]
        folder = SweepFolder(config.hydra.sweep.dir)
        sweep = Sweep(verb, command, folder, _at_a_time(config.hydra.launcher))
        _launch(sweep, config, search)
    except Exception as error:
        # a launcher raises where a job was killed
        if sweep is not None and sweep.folder.jobs_of(sweep.token):
            _conclude(sweep)
            raise
        if known := _explained(error, verb.name, overrides, launcher, folder):
            raise known from error
        raise
    _conclude(sweep)


def _launch(sweep: Sweep, config: DictConfig, search: Any) -> None:
    """Let Hydra's sweeper, or the search, run the jobs."""
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
    parts: Any = {"config": config, "hydra_context": context, "task_function": sweep.run_job}
    if search is None:
        sweeper: Any = Plugins.instance().instantiate_sweeper(**parts)
    else:  # Hydra would only load it from ``hydra_plugins``
        sweeper = search
        sweeper.setup(**parts)
    context.callbacks.on_multirun_start(config=config, config_name=sweep.verb.name)
    with sweep.interruptible():
        sweeper.sweep(list(config.hydra.overrides.task))
    context.callbacks.on_multirun_end(config=config, config_name=sweep.verb.name)


def _conclude(sweep: Sweep) -> None:
    """Report the jobs.

    Raises:
        RunError: a job has failed.
    """
    try:
        sweep.verb.after_sweep(sweep.folder, sweep.command)
    except CovsegError:
        sweep.check()
        raise
    sweep.check()


def _explained(
    error: Exception,
    verb: str,
    overrides: Sequence[str],
    launcher: str | None,
    folder: SweepFolder | None,
) -> CovsegError | None:
    """The sentence for what was raised before a job has begun; None for any other error.

    Args:
        error: what was raised.
        verb: of the command line.
        overrides: of the command line.
        launcher: None where the jobs were still being checked.
        folder: of the sweep, None as well there.
    """
    if isinstance(error, CovsegError):
        return None
    if launcher not in {None, "basic"}:
        reason = "; ".join(str(error).split("\n"))
        return ConfigError(
            f"hydra/launcher={launcher}",
            f"cannot start the jobs ({reason})",
            "change what that names, or leave the launcher out",
        )
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        if where := error.filename or folder:
            return not_writable(where, error)  # Hydra could not make the folder or a file in it
        return None
    return refusal(verb, overrides, error) if isinstance(error, REFUSALS) else None


def _multirun(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of the sweep itself, with what varies left to the sweeper."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.compose_config(verb, list(overrides), run_mode=RunMode.MULTIRUN)


def _at_a_time(launcher: DictConfig) -> int | None:
    """How many jobs joblib is asked for at a time; None where they are not in its processes."""
    if not launcher._target_.endswith("JoblibLauncher"):
        return None
    from joblib import effective_n_jobs  # beside its launcher

    n_jobs = int(launcher.n_jobs)
    return None if effective_n_jobs(n_jobs) == 1 else n_jobs


def _search(config: DictConfig) -> Any:
    """Covseg's own sweeper if that is chosen, else None.

    Raises:
        ConfigError: Optuna is missing, or the search is not possible.
    """
    if not str(config.hydra.sweeper._target_).endswith(SEARCH):
        return None
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError("hydra/sweeper=optuna", "needs Optuna", "pip install optuna")
    from covseg.run.command.search import OptunaSweeper  # imports Optuna

    return OptunaSweeper(config)


def _check_jobs(verb: Verb, overrides: Sequence[str], config: DictConfig, search: Any) -> None:
    """Compose and check every job, or the corners of a search; say aloud that Test is reported.

    Raises:
        ConfigError: a job that cannot be.
    """
    params = overrides_of(config.hydra.sweeper.get("params"))
    first = jobs([*params, *overrides]) if search is None else search.space.corners()
    checked = [verb.check(plain(compose_config(verb.name, job))) for job in first]
    for of_job in checked:
        if search is not None:
            _check_trial(of_job)
        verb.request(of_job)
    if any(map(_reports_test, checked)):
        print(_TEST, file=sys.stderr)  # noqa: T201  for the person, not the log


def _reports_test(config: Any) -> bool:
    if isinstance(config, Train):
        return config.protocol.report == "Test"
    return getattr(config, "split", None) == "Test"


def _check_trial(config: Any) -> None:
    """Refuse a search that Test would steer, or that has no objective.

    Args:
        config: the checked configuration of a trial.

    Raises:
        ConfigError: the trial does not report Val.
    """
    if isinstance(config, Train):
        protocol = config.protocol
        if protocol.select is None:
            key = f"protocol={protocol.name}"
            raise ConfigError(key, "scores no Val, and a search needs it", "set protocol=holdout")
        if protocol.report not in {"auto", "Val"}:
            key = f"protocol.report={protocol.report}"
            raise ConfigError(key, "would steer the search", "leave it out: trials report Val")
    elif getattr(config, "split", None) != "Val":
        raise ConfigError("split", "would steer the search if it were Test", "set split=Val")
