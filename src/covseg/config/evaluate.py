"""The schema of ``python -m covseg.evaluate``."""

from typing import Annotated, Any, Literal

from pydantic import Field

from covseg.config.data import Layout, Patterns, Target, WithoutMask
from covseg.config.node import Name, Node, Place, Positive, RunPlace, Share, Trust
from covseg.config.protocol import Auto


class OtherData(Node):
    """What of a run's data an evaluation may replace."""

    name: Name | None = None
    layout: Layout | None = None
    root: Place | None = None
    download: bool | None = None
    phantom: dict[str, Any] | None = None
    images: str | None = None
    masks: dict[Target, Patterns | None] | None = None
    classes: dict[str, Name] | None = None
    without_mask: WithoutMask | None = None
    mask_values: dict[Target, list[int]] | None = None
    mask_threshold: int | None = None
    store_size: int | None = None
    cache_dir: Place | None = None
    batch_size: Positive | None = None
    num_workers: Annotated[int, Field(ge=0, le=256)] | None = None


class Evaluate(Node):
    """``python -m covseg.evaluate``; what is null is as in the run."""

    # the run folder; of several, the mean of their networks' probabilities is scored
    run: RunPlace | Annotated[list[RunPlace], Field(min_length=1)]
    trust: Trust = Field(default_factory=list)  # packages whose code the run may name
    split: Literal["Val", "Test"] | None = None  # no choice with protocol=kfold
    checkpoint: Literal["best", "last"] | None = None
    threshold: Auto | Share | None = None
    detection_min_pixels: Auto | Positive | None = None
    flips: bool | None = None
    data: OtherData
    fitted_root: Place | None = None  # of the run's own data, to find copies of it in other data
    trainer: dict[str, Any]
