"""Write the scores of runs, beside published ones and trivial baselines, as a Markdown document.

    python -m covseg.results 'runs=[RUN,outputs/train/2026-01-31_12-00-00]'

The document is outputs/results/<date_time>/results.md.
"""

from pathlib import Path

from covseg.config.results import Results
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb


def work(config: Results, out: Path, command: str) -> None:
    """Write the document."""
    from covseg.run.verbs.results import write_results  # imports torch

    write_results(config, out, command)


VERB = Verb("results", Results, lambda config: config, lambda _: None, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
