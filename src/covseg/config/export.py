"""The schema of ``python -m covseg.export``."""

from typing import Literal

from pydantic import Field

from covseg.config.node import Node, RunPlace, Trust

Format = Literal["onnx", "torch_export"]


class Export(Node):
    """``python -m covseg.export``."""

    run: RunPlace  # the run folder
    format: Format
    checkpoint: Literal["best", "last"] | None = None  # None: the one that the run reported
    trust: Trust = Field(default_factory=list)  # packages whose code the run may name
