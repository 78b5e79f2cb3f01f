"""``hydra/sweeper=optuna``: a search whose trials are the jobs of the sweep.

hydra-optuna-sweeper 1.3 pins Optuna 2.10, 1.4 needs Hydra 1.4, and neither continues a search or
prunes. What a trial has shown is read from its run folder, whatever launcher has run it.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from covseg.config.search import HydraSearch, Search
from covseg.errors import ConfigError, nearest, setting
from covseg.measure.scores import SCORES
from covseg.run.command.search_space import SearchSpace, search_space
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
        OmegaConf.save(self.config, self.folder.path / "multirun.yaml")
        study = self._study(space)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._run(study, space, [trial])
        while (missing := self.search.n_trials - len(study.trials)) > 0 and not _exhausted(study):
            n_trials = min(missing, self.search.n_jobs)
            self._run(study, space, [study.ask(space.distributions) for _ in range(n_trials)])

    def _study(self, space: SearchSpace) -> optuna.Study:
        directions: list[Direction] = [
            "minimize" if name == _SECONDS or SCORES[name].low_is_good else "maximize"
            for name in self.search.objectives
        ]
        study = begin_study(self.folder.path, self.search, directions)
        # a search that goes on must not draw its first points again
        study.sampler = _sampler(self.search, space, self.search.seed + len(study.trials))
        return study

    def _run(
        self, study: optuna.Study, space: SearchSpace, trials: Sequence[Trial | FrozenTrial]
    ) -> None:
        """Run trials with consecutive numbers, and tell the study what they have shown."""
        jobs = [space.overrides(trial.params) for trial in trials]
        assert self.launcher is not None
        self.launcher.launch(jobs, initial_job_idx=trials[0].number)
        for trial, overrides in zip(trials, jobs, strict=True):
            job = self.folder.job(overrides)
            values = None if job is None else self._values(job)
            state = TrialState.COMPLETE if values is not None else TrialState.FAIL
            if job is not None and job.pruned:
                state = TrialState.PRUNED
            # a grid stops its study after the last point, which only ``optimize`` allows
            with contextlib.suppress(*[RuntimeError] * (self.search.sampler == "grid")):
                study.tell(trial.number, values, state)

    def _values(self, job: SweepJob) -> list[float] | None:
        """The objectives of a job; None if it is not finished, or one of them is undefined."""
        if job.status != "finished":
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
        grid = {key: _grid(key, of_key) for key, of_key in space.distributions.items()}
        return samplers.GridSampler(grid, seed=search.seed)
    seeded: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": samplers.TPESampler,
        "random": samplers.RandomSampler,
        "cmaes": samplers.CmaEsSampler,
        "gp": samplers.GPSampler,
        "qmc": samplers.QMCSampler,
    }
    try:
        return seeded[search.sampler](seed=seed)
    except ImportError as error:
        raise ConfigError(
            f"hydra.sweeper.sampler={search.sampler}",
            f"needs a package ({error.name})",
            f"pip install {error.name}",
        ) from error


def _exhausted(study: optuna.Study) -> bool:
    """Whether a grid has no point left."""
    sampler = study.sampler
    return isinstance(sampler, optuna.samplers.GridSampler) and sampler.is_exhausted(study)


def _grid(key: str, distribution: optuna.distributions.BaseDistribution) -> list[Any]:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    raise ConfigError(
        f"hydra.sweeper.sampler=grid with the interval of {key}",
        "has no end",
        f"give the values of {key}, or set hydra.sweeper.sampler=tpe",
    )
