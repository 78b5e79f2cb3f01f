"""The schema of ``python -m covseg.compare``."""

from typing import Annotated

from pydantic import Field

from covseg.config.node import Node, Place


class Compare(Node):
    """``python -m covseg.compare``."""

    runs: Annotated[list[Place], Field(min_length=1)]  # run folders, or sweep folders
    reference: Place | None = None  # one of them; None: the first
