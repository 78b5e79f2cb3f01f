"""``hydra.sweeper`` of ``hydra/sweeper=optuna``."""

from typing import Annotated, Literal

from pydantic import Field

from covseg.config.node import Node, Positive


class Search(Node):
    """A search on Optuna."""

    n_trials: Positive
    n_jobs: Positive
    sampler: Literal["tpe", "random", "cmaes", "gp", "qmc", "grid"]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    objectives: Annotated[list[str], Field(min_length=1)]
    pruner: Literal["median", "halving", "hyperband"] | None
    storage: str | None
    study: Annotated[str, Field(min_length=1)]


class _Sweeper(Node):
    sweeper: Search


class HydraSearch(Node):
    """The same below its key, so that an error names ``hydra.sweeper.<key>``."""

    hydra: _Sweeper
