"""Score a run's checkpoint again: on another split, threshold, device or copy of the data.

    python -m covseg.evaluate run=outputs/train/2026-01-31_12-00-00
    python -m covseg.evaluate run=RUN split=Val threshold=0.4
    python -m covseg.evaluate 'run=[RUN,outputs/train/2026-01-31_12-00-00]' threshold=auto
    python -m covseg.evaluate run=RUN data.root=archive.zip trainer.devices=2

What is not named is as in the run. The result is a run folder: outputs/evaluate/<date_time>/.
"""

from pathlib import Path

from covseg.config.evaluate import Evaluate
from covseg.run.command.main import run_verb
from covseg.run.verb import Verb
from covseg.run.verbs.request import Request, read_request
from covseg.run.verbs.sweep_outcome import report_jobs, tabulate_jobs


def work(request: Request, out: Path, command: str) -> float | None:
    """Score and report; in every process of the run.

    Returns:
        the objective where the run's checkpoint was chosen on this split, else None.
    """
    # torch and Lightning take seconds to import: not before the configuration is checked
    from covseg.run.processes.signals import interruptible
    from covseg.run.verbs.evaluation import evaluate

    with interruptible() as interruption:
        return evaluate(request, out, command, interruption)


VERB = Verb(
    *("evaluate", Evaluate, read_request, lambda request: request.config, work),
    after_job=tabulate_jobs,
    after_sweep=report_jobs,
)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
