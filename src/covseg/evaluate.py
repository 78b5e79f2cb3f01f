"""Score a run's checkpoint again: on another split, threshold, device or copy of the data.

    python -m covseg.evaluate run=outputs/train/2026-01-31_12-00-00
    python -m covseg.evaluate run=RUN split=Val threshold=0.4
    python -m covseg.evaluate run=RUN data.root=archive.zip trainer.devices=2

What is not named is as in the run. The result is a run folder: outputs/evaluate/<date_time>/.
"""

from pathlib import Path

from covseg.config.evaluate import Evaluate
from covseg.run.command.main import run_verb
from covseg.run.folder.reading import config_as_changed
from covseg.run.verb import Verb


def work(config: Evaluate, out: Path) -> float | None:
    """Score and report; in every process of the run.

    Returns:
        the objective where the run's checkpoint was chosen on this split, else None.
    """
    # torch and Lightning take seconds: they come in when the configuration is known to be right
    from covseg.run.processes.signals import interruptible
    from covseg.run.verbs.evaluation import evaluate

    with interruptible() as interruption:
        return evaluate(config, out, interruption)


VERB = Verb("evaluate", Evaluate, config_as_changed, work)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
