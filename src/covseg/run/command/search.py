"""``hydra/sweeper=optuna``: a search whose trials are the jobs of the sweep.

hydra-optuna-sweeper 1.3 pins Optuna 2.10, 1.4 needs Hydra 1.4, and neither continues a search or
prunes. What a trial has shown is read from its run folder, whatever launcher has run it.
"""

import contextlib
import importlib.util
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from covseg.config.search import HydraSearch, Search
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, nearest, setting
from covseg.measure.scores import SCORES
from covseg.run.command.search_space import SearchSpace, search_space
from covseg.run.folder.json_file import json_value
from covseg.run.folder.resume import FREE
from covseg.run.folder.study import Direction, begin_study
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.validation import check

_SECONDS = "seconds"


class OptunaSweeper(Sweeper):
    """A search.

    Args:
        params: what varies, as the command line may say as well.
        options: those of ``Search``.

    Raises:
        ConfigError: an option that does not exist, or has an impossible value.
    """

    def __init__(self, params: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.params = params or {}
        checked = check(HydraSearch, {"hydra": {"sweeper": options}})
        self.search: Search = checked.hydra.sweeper
        for name in self.search.objectives:
            if name not in {*SCORES, _SECONDS}:
                key = setting("hydra.sweeper.objectives", self.search.objectives)
                raise ConfigError(key, f"has no score {name}", nearest(name, [*SCORES, _SECONDS]))
        self._check_objectives()

    def _check_objectives(self) -> None:
        objectives = self.search.objectives
        key = setting("hydra.sweeper.objectives", objectives)
        if self.search.pruner and (len(objectives) > 1 or objectives == [_SECONDS]):
            raise ConfigError(
                f"hydra.sweeper.pruner={self.search.pruner}",
                f"needs one score on Val, and this search has {key}",
                "leave one of them out",
            )
        if self.search.sampler == "cmaes" and len(objectives) > 1:
            raise ConfigError(key, "is too many for sampler=cmaes", "give one")
        if self.search.sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
            raise ConfigError("hydra.sweeper.sampler=cmaes", "needs a package", "pip install cmaes")

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's: keep what ``sweep`` needs."""
        self.hydra_context, self.config = hydra_context, config
        self.folder = SweepFolder(Path(os.path.abspath(config.hydra.sweep.dir)))  # noqa: PTH100
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until there are ``n_trials`` in total, first those that a kill has ended."""
        params = [f"{key}={value}" for key, value in self.params.items()]
        assert self.config is not None
        space = search_space([*params, *arguments], self.config)
        self.folder.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder.path / ".search.lock", timeout=0):
                self._search(space)
        except Timeout as error:
            raise RunError(
                self.folder, "is in use by another search", "wait for it, or stop it"
            ) from error

    def _search(self, space: SearchSpace) -> None:
        OmegaConf.save(self.config, self.folder.path / "multirun.yaml")
        study = self._study(space)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() == space.distributions.keys():
                self._run(study, space, [trial])
            else:  # killed while it was drawn, or of another space
                study.tell(trial.number, state=TrialState.FAIL)
        n_trials = self.search.n_trials
        if self.search.sampler == "grid":
            n_trials = min(n_trials, math.prod(map(len, _grid(space).values())))
        while (missing := n_trials - len(study.trials)) > 0:
            batch = range(min(missing, self.search.n_jobs))
            self._run(study, space, [study.ask(space.distributions) for _ in batch])

    def _study(self, space: SearchSpace) -> optuna.Study:
        directions: list[Direction] = [
            "minimize" if name == _SECONDS or SCORES[name].low_is_good else "maximize"
            for name in self.search.objectives
        ]
        fixed = [one for one in space.fixed if one.lstrip("+~").partition("=")[0] not in FREE]
        study = begin_study(self.folder.path, self.search, directions, fixed)
        # a search that goes on must not draw its first points again
        study.sampler = _sampler(self.search, space, self.search.seed + len(study.trials))
        return study

    def _run(
        self, study: optuna.Study, space: SearchSpace, trials: Sequence[Trial | FrozenTrial]
    ) -> None:
        """Run trials with consecutive numbers, and tell the study what they have shown."""
        jobs = [space.overrides(trial.params) for trial in trials]
        assert self.launcher is not None
        for done in self.launcher.launch(jobs, initial_job_idx=trials[0].number):
            _ = done.return_value  # raises what has kept a job from starting
        for trial, overrides in zip(trials, jobs, strict=True):
            job = self.folder.job(overrides)
            if job is not None and job.status in {"running", "unfinished"}:
                continue  # stopped: the next command continues it
            values = None if job is None else self._values(job)
            state = TrialState.COMPLETE if values is not None else TrialState.FAIL
            if job is not None and job.pruned:
                state = TrialState.PRUNED
            # a grid stops its study after the last point, which only ``optimize`` allows
            with contextlib.suppress(*[RuntimeError] * (self.search.sampler == "grid")):
                study.tell(trial.number, values, state)

    def _values(self, job: SweepJob) -> list[float] | None:
        """The objectives of a job; None if it is not finished, or one of them is undefined."""
        if job.status != "finished" or json_value(job.run.summary, "split") != "Val":
            return None
        values = [
            job.run.seconds if name == _SECONDS else job.run.score(name)
            for name in self.search.objectives
        ]
        known = [value for value in values if value is not None]
        return known if len(known) == len(values) else None


def _sampler(search: Search, space: SearchSpace, seed: int) -> optuna.samplers.BaseSampler:
    samplers = optuna.samplers
    if search.sampler == "grid":
        return samplers.GridSampler(_grid(space), seed=search.seed)
    seeded: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": samplers.TPESampler,
        "random": samplers.RandomSampler,
        "cmaes": samplers.CmaEsSampler,
        "gp": samplers.GPSampler,
        "qmc": samplers.QMCSampler,
    }
    return seeded[search.sampler](seed=seed)


def _grid(space: SearchSpace) -> dict[str, list[Any]]:
    """Every value of every key.

    Raises:
        ConfigError: a key has an interval.
    """
    grid = {}
    for key, distribution in space.distributions.items():
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            grid[key] = list(distribution.choices)
        elif isinstance(distribution, optuna.distributions.IntDistribution):
            grid[key] = list(range(distribution.low, distribution.high + 1, distribution.step))
        else:
            raise ConfigError(
                f"hydra.sweeper.sampler=grid with the interval of {key}",
                "has no end",
                f"give the values of {key}, or set hydra.sweeper.sampler=tpe",
            )
    return grid


def check_search(config: Any) -> None:
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
