"""Write a run's network as one file that runs without the code of the network.

    python -m covseg.export run=outputs/train/2026-01-31_12-00-00
    python -m covseg.export run=RUN format=torch_export

The file is outputs/export/<date_time>/model.onnx or model.pt2. It was compared with the checkpoint,
and contains the size of its input, the threshold and the targets. ``covseg.predict`` and
``covseg.load`` take the ONNX file.
"""

from pathlib import Path

from covseg.config.export import Export
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Export, out: Path, _command: str) -> None:
    """Write the file and check it."""
    from covseg.run.verbs.export import export_run  # imports torch

    export_run(config, out)


VERB = Verb("export", Export, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
