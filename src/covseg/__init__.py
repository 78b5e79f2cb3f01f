"""Segment the COVID-19 infection area on chest X-rays, with numbers one can believe.

From Python::

    import covseg
    model = covseg.load("outputs/train/2026-01-31_12-00-00")
    probability = model.predict(image)          # uint8 [height, width] -> float32, the same size
    prediction = probability > model.threshold
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covseg.run.verbs.predictor import Predictor

__all__ = ["load"]


def load(run: str | Path, checkpoint: str | None = None, trust: Sequence[str] = ()) -> "Predictor":
    """The network of a run folder with its preprocessing and threshold.

    Args:
        run: the run folder.
        checkpoint: ``best`` or ``last``; None takes the one that the run reported.
        trust: packages whose code the run may name, such as that of its network.

    Raises:
        covseg.errors.CovsegError: the folder or its checkpoint cannot be used.
    """
    from covseg.run.verbs.predictor import Predictor  # imports torch

    return Predictor(run, checkpoint, trust)
