"""Predict X-rays with a run's network: masks, probabilities and overlays at their own size.

    python -m covseg.predict run=outputs/train/2026-01-31_12-00-00 input=xrays
    python -m covseg.predict run=RUN input='xrays/*.png' output=masks skip_existing=true
    python -m covseg.predict run=model.onnx input=xray.dcm

Reads PNG, JPEG, TIFF, BMP and DICOM. Not for patient care: nothing here is a medical device.
"""

from pathlib import Path

from covseg.config.predict import Predict
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Predict, out: Path, command: str) -> None:
    """Predict every image and write the table."""
    from covseg.run.verbs.prediction import predict  # imports torch

    predict(config, out, command)


VERB = Verb("predict", Predict, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
