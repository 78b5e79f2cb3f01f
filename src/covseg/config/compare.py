"""The schema of ``python -m covseg.compare``."""

from typing import Annotated

from pydantic import Field

from covseg.config.node import Node, RunPlace, Trust


class Compare(Node):
    """``python -m covseg.compare``."""

    runs: Annotated[list[RunPlace], Field(min_length=1)]  # run folders, or sweep folders
    reference: RunPlace | None = None  # one of them; None: the first
    trust: Trust = Field(default_factory=list)  # packages whose code the runs may name
