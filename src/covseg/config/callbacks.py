"""``callbacks``: what happens around the steps."""

from pydantic import ConfigDict, Field

from covseg.config.node import Buildable, Node, Positive


class Callbacks(Node):
    """Checkpoints, and callbacks of any name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Buildable] = Field(init=False)

    checkpoint_every_n_steps: Positive | None = None  # bounds what a kill can cost; null: an epoch

    @property
    def parts(self) -> dict[str, Buildable]:
        """Those that are built, by name."""
        return self.__pydantic_extra__
