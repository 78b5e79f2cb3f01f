"""Train a network and report its scores.

    python -m covseg.train experiment=demo
    python -m covseg.train data.root=archive.zip model=unet3 trainer.devices=2
    python -m covseg.train -m data.root=archive.zip model.depth=2,3,4 optimizer=adam,adamw

The result is a run folder: outputs/train/<date_time>/.
"""

import signal
from pathlib import Path

from covseg.config import Train
from covseg.errors import Stopped
from covseg.run import start


def work(config: Train, out: Path) -> float | None:
    """Fit, choose the checkpoint, report; in every process of the run.

    Returns:
        the objective: ``rmse_per_image`` on Val, None where nothing may be chosen by it.

    Raises:
        Stopped: by Ctrl-C, after everything was saved and scored.
    """
    # torch and Lightning take seconds: they come in when the configuration is known to be right
    from covseg.run.interrupt import interruptible
    from covseg.run.training import Training, finished_loggers

    training = Training(config, out)
    with finished_loggers():
        training.prepare()
        with interruptible(training.trainer) as interruption:
            training.fit(interruption)
            objective = training.report()
        if interruption.epoch is not None:
            raise Stopped(signal.SIGINT)
    return objective


VERB = start.Verb("train", Train, lambda config: config, work)


def main() -> None:
    """The command line."""
    start.main(VERB)


if __name__ == "__main__":
    main()
