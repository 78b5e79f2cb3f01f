"""Train a network and report its scores.

    python -m covseg.train experiment=demo
    python -m covseg.train data.root=archive.zip model=unet3 trainer.devices=2
    python -m covseg.train -m data.root=archive.zip model.depth=2,3,4 optimizer=adam,adamw
    python -m covseg.train -m data.root=archive.zip protocol=kfold data.fold=0,1,2,3,4
    python -m covseg.train resume=outputs/train/2026-01-31_12-00-00

The result is a run folder: outputs/train/<date_time>/.
"""

from pathlib import Path

from covseg.config.train import Train
from covseg.errors import Stopped
from covseg.run.command.main import run_verb
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.run.verb import Verb
from covseg.run.verbs.sweep_outcome import report_jobs, tabulate_jobs


def work(config: Train, out: Path, command: str) -> float | None:
    """Fit, choose the checkpoint, report; in every process of the run.

    Returns:
        the objective: ``rmse_per_image`` on Val, None where nothing may be chosen by it.

    Raises:
        Stopped: by a signal; what was learned until then is saved.
    """
    # torch and Lightning take seconds to import: not before the configuration is checked
    from covseg.run.processes.signals import interruptible
    from covseg.run.verbs.training import Training

    with interruptible() as interruption:
        training = Training(config, out, command, interruption)
        with training.dashboards.finished():
            training.prepare()
            training.fit()
            objective = training.report()
            if interruption.number is not None:
                raise Stopped(interruption.number)
    return objective


def after_sweep(sweep: SweepFolder, command: str) -> None:
    """Report the sweep, and the folds of ``protocol=kfold`` together."""
    from covseg.run.verbs.kfold import report_folds

    report_folds([job.run.path for job in sweep.jobs() if job.status == "finished"], command)
    report_jobs(sweep)


VERB = Verb(
    *("train", Train, lambda config: config, lambda config: config, work),
    after_job=tabulate_jobs,
    after_sweep=after_sweep,
)


def main() -> None:
    """The command line."""
    run_verb(VERB)


if __name__ == "__main__":
    main()
