"""The schema of ``python -m covseg.results``."""

from typing import Annotated

from pydantic import Field

from covseg.config.node import Node, Place, RunPlace, Trust


class Results(Node):
    """``python -m covseg.results``."""

    runs: Annotated[list[RunPlace], Field(min_length=1)]  # run folders
    output: Place | None = None  # the file; None: results.md in the folder of this command
    trust: Trust = Field(default_factory=list)  # packages whose code the runs may name
