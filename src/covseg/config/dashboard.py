"""The schema of ``python -m covseg.dashboard``."""

from typing import Annotated

from pydantic import Field

from covseg.config.data import Split, Target
from covseg.config.node import Name, Node


class Dashboard(Node):
    """``python -m covseg.dashboard``."""

    project: Name
    entity: Name | None = None
    split: Split
    target: Target | None = None
    keys: Annotated[list[str], Field(min_length=1)]
    upload: bool
