"""Dice and IoU by every way of averaging: of a run, and what a published pair can mean.

    python -m covseg.translate run=outputs/train/2026-01-31_12-00-00
    python -m covseg.translate dice=88.21 iou=83.05

Papers that do not say how they averaged cannot be compared with until it is known which of the ways
their numbers allow.
"""

from pathlib import Path

from covseg.config.translate import Translate
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Translate, out: Path, _command: str) -> None:
    """Print and write the tables."""
    from covseg.run.verbs.translation import translate  # imports torch

    translate(config, out)


VERB = Verb("translate", Translate, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
