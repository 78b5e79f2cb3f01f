"""Compare runs on the same images: what differs, paired differences, and what may be claimed.

    python -m covseg.compare 'runs=[RUN,outputs/train/2026-01-31_12-00-00]'

A sweep folder stands for its finished jobs. Runs that differ in the seed alone are one row, with
mean and standard deviation.
"""

from pathlib import Path

from covseg.config.compare import Compare
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Compare, out: Path, command: str) -> None:
    """Print the comparison and write its table and its page."""
    from covseg.run.verbs.comparison import compare  # imports torch

    compare(config, out, command)


VERB = Verb("compare", Compare, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
