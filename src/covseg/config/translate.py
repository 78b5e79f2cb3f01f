"""The schema of ``python -m covseg.translate``."""

from typing import Annotated

from pydantic import Field

from covseg.config.node import Node, Positive, RunPlace

Printed = Annotated[float | int, Field(gt=0, le=100)]  # a share, or per cent


class Translate(Node):
    """``python -m covseg.translate``."""

    run: RunPlace | None = None  # a run folder
    dice: Printed | None = None  # a published pair
    iou: Printed | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] | None = None  # that both were printed with
    n_images: Positive  # of the test set of the published pair
    n_positive: Positive  # with infection
