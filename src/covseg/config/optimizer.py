"""``optimizer``: a torch optimizer."""

from typing import Annotated

from pydantic import Field, model_validator

from covseg.config.node import Buildable
from covseg.errors import ConfigError


class Optimizer(Buildable):
    """A torch optimizer."""

    lr: Annotated[float, Field(gt=0, le=1e3)]  # learning rate
    weight_decay: Annotated[float, Field(ge=0, le=1e3)] = 0.0

    @model_validator(mode="after")
    def _check_direction(self) -> "Optimizer":
        if (self.model_extra or {}).get("maximize"):
            raise ConfigError("optimizer.maximize=true", "would raise the loss", "leave it out")
        return self

    @property
    def fused(self) -> bool:
        """Whether one kernel updates all weights."""
        return bool((self.model_extra or {}).get("fused"))
