"""Segment the COVID-19 infection area on chest X-rays, with numbers one can believe.

From Python::

    import covseg
    model = covseg.load("outputs/train/2026-01-31_12-00-00")
    probability = model.predict("xray.png")     # float32 [height, width], the size of the image
    prediction = probability > model.threshold
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from covseg.run.verbs.predictor import Predictor

__all__ = ["load"]


def load(run: str | Path, checkpoint: str | None = None, trust: Sequence[str] = ()) -> "Predictor":
    """The network of a run folder, or of an exported file, with its preprocessing and threshold.

    Args:
        run: the run folder, or a file of ``python -m covseg.export format=onnx``; ``default`` is
            the network that covseg ships.
        checkpoint: ``best`` or ``last``; None takes the one that the run reported.
        trust: packages whose code the run may name, such as that of its network.

    Raises:
        covseg.errors.CovsegError: the folder or its checkpoint, or the file, cannot be used.
    """
    from covseg.run.verbs.predictor import load_predictor  # imports torch

    return load_predictor(run, checkpoint, trust)
