"""``hydra/sweeper=optuna``: a search whose trials are the jobs of the sweep.

hydra-optuna-sweeper 1.3 pins Optuna 2.10, 1.4 needs Hydra 1.4, and neither continues a search or
prunes. What a trial has shown is read from its run folder, whatever launcher has run it.
"""

import contextlib
import importlib.util
import math
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from filelock import FileLock, Timeout
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, Trial, TrialState

from covseg.config.search import HydraSearch, Search
from covseg.errors import ConfigError, RunError, nearest, setting
from covseg.measure.scores import SCORES
from covseg.run.command.arguments import overrides_of
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
        config: composed without what varies.

    Raises:
        ConfigError: an option that does not exist, or has an impossible value.
    """

    def __init__(self, config: DictConfig) -> None:
        options: Any = OmegaConf.to_container(config.hydra.sweeper)
        del options["_target_"]
        self.space = search_space(
            [*overrides_of(options.pop("params", None)), *config.hydra.overrides.task], config
        )
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
        self.folder = SweepFolder(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until there are ``n_trials`` in total, first those that a kill has ended."""
        self.folder.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder.path / ".search.lock", timeout=0):
                self._search()
        except Timeout as error:
            raise RunError(
                self.folder, "is in use by another search", "wait for it, or stop it"
            ) from error

    def _search(self) -> None:
        space = self.space
        OmegaConf.save(self.config, self.folder.path / "multirun.yaml")
        study = self._study()
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.keys() == space.distributions.keys():
                self._run(study, [trial])
            else:  # killed while it was drawn, or of another space
                study.tell(trial.number, state=TrialState.FAIL)
        n_trials = self.search.n_trials
        if self.search.sampler == "grid":
            n_trials = min(n_trials, math.prod(map(len, space.grid().values())))
        while (missing := n_trials - len(study.trials)) > 0:
            batch: list[Trial] = []
            for _ in range(min(missing, self.search.n_jobs)):
                # anew for each trial: the points after a kill are those of a search never killed
                seed = self.search.seed + len(study.trials)
                study.sampler = _sampler(self.search, space, seed)
                asked = study.ask(space.distributions)
                if any(asked.params == other.params for other in batch):
                    self._run(study, batch)  # two jobs at a time cannot share a folder
                    batch = []
                batch.append(asked)
            self._run(study, batch)

    def _study(self) -> optuna.Study:
        directions: list[Direction] = [
            "minimize" if name == _SECONDS or SCORES[name].low_is_good else "maximize"
            for name in self.search.objectives
        ]
        fixed = [one for one in self.space.fixed if one.lstrip("+~").partition("=")[0] not in FREE]
        return begin_study(self.folder.path, self.search, directions, fixed)

    def _run(self, study: optuna.Study, trials: Sequence[Trial | FrozenTrial]) -> None:
        """Run trials with consecutive numbers, and tell the study what they have shown."""
        jobs = [self.space.overrides(trial.params) for trial in trials]
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
        return samplers.GridSampler(space.grid(), seed=search.seed)
    seeded: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": samplers.TPESampler,
        "random": samplers.RandomSampler,
        "cmaes": samplers.CmaEsSampler,
        "gp": samplers.GPSampler,
        "qmc": samplers.QMCSampler,
    }
    return seeded[search.sampler](seed=seed)
