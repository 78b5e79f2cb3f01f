"""The space of a search, from overrides in Hydra's own syntax."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from covseg.errors import ConfigError


@dataclass(frozen=True)
class SearchSpace:
    """What a search varies.

    Attributes:
        distributions: by key.
        fixed: overrides that are the same in every trial.
    """

    distributions: dict[str, BaseDistribution]
    fixed: list[str]

    def corners(self) -> list[list[str]]:
        """The overrides of trials in which each value, or end of an interval, occurs."""
        ends = {key: _ends(of_key) for key, of_key in self.distributions.items()}
        first = {key: values[0] for key, values in ends.items()}
        trials = [{**first, key: value} for key, values in ends.items() for value in values]
        return [self.overrides(trial) for trial in trials]

    def grid(self) -> dict[str, list[Any]]:
        """Every value of every key.

        Raises:
            ConfigError: a key has an interval.
        """
        grid = {}
        for key, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                grid[key] = list(distribution.choices)
            elif isinstance(distribution, IntDistribution):
                grid[key] = list(range(distribution.low, distribution.high + 1, distribution.step))
            else:
                raise ConfigError(
                    f"hydra.sweeper.sampler=grid with the interval of {key}",
                    "has no end",
                    f"give the values of {key}, or set hydra.sweeper.sampler=tpe",
                )
        return grid

    def overrides(self, params: dict[str, Any]) -> list[str]:
        """The overrides of a trial."""
        return [*self.fixed, *(f"{key}={value}" for key, value in params.items())]


def search_space(overrides: Sequence[str], config: DictConfig) -> SearchSpace:
    """Read the space; of two overrides of a key the last one counts.

    Args:
        overrides: ``key=1,2``, ``key=choice(...)``, ``key=range(...)``, ``key=interval(...)``,
            ``key=tag(log, interval(...))``, or ``key=value``.
        config: composed without them, for the types of keys: an interval of an integer's key has
            integers.

    Raises:
        ConfigError: nothing varies.
    """
    parser = OverridesParser.create(GlobalHydra.instance().config_loader())
    distributions: dict[str, BaseDistribution] = {}
    fixed: dict[str, str] = {}
    for override in parser.parse_overrides(list(overrides)):
        key = override.get_key_element()
        distributions.pop(key, None)
        fixed.pop(key, None)
        if override.is_sweep_override():
            distributions[key] = _distribution(override, OmegaConf.select(config, key.lstrip("+")))
        else:
            fixed[key] = str(override.input_line)
    if not distributions:
        raise ConfigError(
            "hydra/sweeper=optuna",
            "has nothing to search",
            "give a key several values, such as optimizer.lr=tag(log,interval(1e-4,1e-1))",
        )
    return SearchSpace(distributions, list(fixed.values()))


def _ends(distribution: Any) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [distribution.low, distribution.high]


def _distribution(override: Override, default: Any) -> BaseDistribution:
    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None
        assert value.end is not None
        low, high, log = value.start, value.end, "log" in value.tags
        whole = isinstance(default, int) and float(low).is_integer() and float(high).is_integer()
        if whole or (isinstance(low, int) and isinstance(high, int)):
            return IntDistribution(int(low), int(high), log=log)
        return FloatDistribution(low, high, log=log)
    if isinstance(value, RangeSweep) and not value.shuffle:
        steps = [step for step in override.sweep_iterator() if isinstance(step, int)]
        if isinstance(value.step, int) and value.step > 0 and steps:
            return IntDistribution(steps[0], steps[-1], step=value.step)
    return CategoricalDistribution(list(override.sweep_string_iterator()))
