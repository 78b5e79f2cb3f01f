"""A run in TensorBoard."""

from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from covseg.measure.histogram import N_BINS, Histogram
from covseg.report.loggers.dashboard import Start, Status
from covseg.report.result import RunResult


class TensorBoard(TensorBoardLogger):
    """Lightning's ``TensorBoardLogger`` in the run folder, with the result of the run.

    Args:
        save_dir: the run folder.
        settings: further arguments of ``SummaryWriter``.
    """

    def __init__(self, save_dir: str = ".", **settings: Any) -> None:
        # no sub-folder: the run folder is the run's; hp_metric would be shown as -1
        super().__init__(
            save_dir, name="", version="tensorboard", default_hp_metric=False, **settings
        )

    @rank_zero_only
    def begin(self, start: Start) -> None:
        """Remove the events of an earlier process, which come once more."""
        for events in Path(self.log_dir).glob("events.out.*") if start.whole else ():
            events.unlink()

    @rank_zero_only
    def log_result(self, result: RunResult) -> None:
        """Log the scores, the settings with the objective, and precision over recall."""
        numbers = result.numbers()
        self.log_metrics(numbers, result.step)
        shown = {
            name: numbers[name]
            for name in ("objective", f"{result.split}/dice_positive")
            if name in numbers
        }
        self.log_hyperparams(dict(self.hparams), shown, result.step)
        for target, histogram in result.histograms.items():
            tag = f"{result.above(target)}/precision_recall"
            _log_curve(self.experiment, tag, histogram, result.step)
        self.save()

    @rank_zero_only
    def finish(self, status: Status) -> None:
        """Close the file."""
        self.experiment.close()


def _log_curve(writer: Any, tag: str, of: Histogram, step: int) -> None:
    writer.add_pr_curve_raw(
        *(tag, of.tp, of.fp, of.tn, of.fn, of.precision, of.recall),
        global_step=step,
        num_thresholds=N_BINS,
    )
