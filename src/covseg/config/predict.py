"""The schema of ``python -m covseg.predict``."""

from typing import Literal

from pydantic import Field

from covseg.config.node import Name, Node, Place, Positive, RunPlace, Share, Trust


class Predict(Node):
    """``python -m covseg.predict``."""

    run: RunPlace  # the run folder, or a file of covseg.export
    input: Name  # a file, a folder or a glob pattern
    output: Place | None = None  # a folder; None: the folder of this command
    skip_existing: bool  # continue where an earlier command ended
    threshold: Share | None = None  # None: the run's
    checkpoint: Literal["best", "last"] | None = None  # None: the one that the run reported
    batch_size: Positive  # images at a time
    accelerator: Literal["auto", "cpu", "gpu"]
    runtime: Literal["auto", "torch", "onnx"]  # what executes the network
    trust: Trust = Field(default_factory=list)  # packages whose code the run may name
