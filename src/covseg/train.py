"""Train a network and report its scores.

    python -m covseg.train experiment=demo
    python -m covseg.train data.root=archive.zip model=unet3 trainer.devices=2
    python -m covseg.train -m model.depth=2,3,4 data.image_size=128,256 optimizer=adam,adamw

The result is a run folder: outputs/train/<date_time>/.
"""

from pathlib import Path

from covseg.config import Train
from covseg.run import start


def work(config: Train, out: Path) -> float | None:
    """Fit, choose the checkpoint, report; in every process of the run.

    Returns:
        the objective: ``rmse_per_image`` on Val, None where nothing may be chosen by it.
    """
    # torch and Lightning take seconds: they come in when the configuration is known to be right
    from covseg.run.training import Training, finished_loggers

    training = Training(config, out)
    with finished_loggers():
        training.fit()
        return training.report()


VERB = start.Verb("train", Train, lambda config: config.trainer, work)


def main() -> None:
    """The command line."""
    start.main(VERB)


if __name__ == "__main__":
    main()
