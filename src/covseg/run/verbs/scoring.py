"""From a trained network to its results: records, summary, table, pictures.

Train and evaluate share it, so that they cannot differ.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import lightning as L

from covseg.config.protocol import Protocol
from covseg.data.datamodule import XrayDataModule
from covseg.learn.module import SegmentationModule
from covseg.measure import baselines
from covseg.measure.counts import Numbers
from covseg.measure.histogram import Histogram, write_histogram
from covseg.measure.records import Records
from covseg.measure.scores import OBJECTIVE, SCORES, Score
from covseg.measure.summary import Summary, summarise, write_summary
from covseg.report.best_effort import best_effort
from covseg.report.callbacks import draw_rows
from covseg.report.loggers.dashboard import Dashboards
from covseg.report.loggers.result import RunResult
from covseg.report.pictures import save
from covseg.report.predictions import Prediction, predictions
from covseg.report.progress_bar import RunProgress
from covseg.report.table import print_line, print_summary
from covseg.report.telling import telling_images
from covseg.run.folder.sweep_folder import read_job
from covseg.run.verbs import leaks

log = logging.getLogger(__name__)

_INSTEAD = "the scores are in summary.json"


class Scorer:
    """A network with the data, and the Trainer that spreads it over the devices.

    Args:
        trainer: of the run.
        module: with the weights that are scored.
        data: set up.
        scores: by name.
    """

    def __init__(
        self,
        trainer: L.Trainer,
        module: SegmentationModule,
        data: XrayDataModule,
        scores: Mapping[str, Score],
    ) -> None:
        self.trainer, self.module, self.data, self.scores = trainer, module, data, scores
        self._gathered: dict[str, Numbers] = {}
        self._histograms: dict[str, dict[str, Histogram]] = {}
        self._shown: tuple[Summary, Records]

    def records(self, split: str) -> Records:
        """Score every image of a part once, over all processes; the same in each of them.

        ``trainer.limit_test_batches`` leaves some out.
        """
        if split not in self._gathered:
            bar = self.trainer.progress_bar_callback
            if isinstance(bar, RunProgress):
                bar.scored = split
            self.trainer.test(self.module, self.data.score_loader(split), verbose=False)
            assert self.module.collected is not None
            self._gathered[split] = self.module.collected.numpy()
            bins = self.module.collected_histogram
            assert bins is not None
            self._histograms[split] = {
                target: Histogram.of(of_target)
                for target, of_target in zip(self.data.data.targets, bins.numpy(), strict=True)
            }
        return Records.of(self._gathered[split], self.data.index.rows, self.data.data.targets)

    def objective(self, split: str) -> float | None:
        """What a search minimises: over all images and targets of Val, without a limit."""
        trainer, limit = self.trainer, self.trainer.limit_test_batches
        if trainer.fast_dev_run or (isinstance(limit, float) and limit == 1):  # type: ignore[attr-defined]
            return SCORES[OBJECTIVE](self.records(split).counts())
        trainer.limit_test_batches = 1.0
        try:
            whole = Scorer(trainer, self.module, self.data, self.scores).records(split)
        finally:
            trainer.limit_test_batches = limit
        return SCORES[OBJECTIVE](whole.counts())

    def score(
        self,
        split: str,
        protocol: Protocol,
        statistics: baselines.BaselineStatistics,
        out: Path,
        objective: float | None,
    ) -> None:
        """Score a split; write ``per_image.csv``, ``histogram.csv`` and ``summary.json``."""
        records = self.records(split)
        if not self.trainer.is_global_zero:
            return
        records.write(out / "per_image.csv")
        write_histogram(self._histograms[split], out / "histogram.csv")
        rows = sorted(int(row) for row in self._gathered[split][:, 0])
        data = self.data
        summary = {"split": split, "fold": data.data.fold, "excluded": data.division.excluded()}
        summary |= summarise(
            records,
            baselines.records(statistics, data.store, rows, data.data.targets),
            threshold=protocol.threshold,
            detection_min_pixels=protocol.detection_min_pixels,
            objective=objective,
            families=leaks.families(data),
            leaks=leaks.leaking(data, split),
            scores=self.scores,
        )
        if seen := leaks.seen_rows(data, split):
            summary["fitted_before"] = len(seen)
        write_summary(summary, out / "summary.json")
        if absent := data.division.absent_classes(split):
            log.warning("%s has no image of the class %s", split, " and ".join(absent))
        if len(rows) < (n_images := len(data.rows(split))):
            log.warning("only %d of the %d images of %s are scored", len(rows), n_images, split)
        self._shown = summary, records

    def show(
        self,
        out: Path,
        checkpoint: Path,
        dashboards: Dashboards | None = None,
        step: int = 0,
        at_checkpoint: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Draw ``pictures/``, log the result and print the table; in the first process.

        The scores are on disk already, so a failure here is only a warning.

        Args:
            out: the run folder.
            checkpoint: that was scored.
            dashboards: of a training run, which prints no scores by class.
            step: optimizer steps of the run.
            at_checkpoint: what was logged when it was saved.
        """
        summary, records = self._shown
        with best_effort(f"{out / 'pictures'}", _INSTEAD):
            self._draw(records, summary["threshold"], out / "pictures")
        if dashboards is not None:
            dashboards.log_result(
                RunResult(
                    folder=out,
                    step=step,
                    summary=summary,
                    records=records,
                    histograms=self._histograms[summary["split"]],
                    checkpoint=checkpoint,
                    at_checkpoint=at_checkpoint,
                    predict=self._predict,
                )
            )
        epoch = at_checkpoint.get("epoch")
        name = checkpoint.name + (f", of epoch {epoch:.0f}" if epoch else "")
        with best_effort("the table of the scores", _INSTEAD):
            self._print(out, name, by_class=dashboards is None)

    def _print(self, out: Path, checkpoint: str, by_class: bool) -> None:
        summary = self._shown[0]
        if read_job(out) is None:
            print_summary(summary, out, self.scores, by_class=by_class, checkpoint=checkpoint)
        else:  # the sweep has a table of all its jobs
            print_line(summary, out)

    def _predict(self, target: str, places: Sequence[int]) -> list[Prediction]:
        """Images of the reported split, by the numbers of their records of a target."""
        records, numbers = self._shown[1], self.data.index.numbers()
        keys = records.where(records.target == target).keys
        rows = [numbers[keys[place]] for place in places]
        return predictions(
            self.module, self.data, rows, list(map(str, self.data.data.targets)).index(target)
        )

    def _draw(self, records: Records, threshold: float, folder: Path) -> None:
        """Draw the telling images of the first target."""
        numbers = self.data.index.numbers()
        records = records.where(records.target == self.data.data.targets[0])
        keys = records.keys
        for name, (place, caption) in telling_images(records).items():
            row = numbers[keys[place]]
            picture = draw_rows(self.module, self.data, [row], threshold, {row: caption})
            save(picture, folder / f"{name}.png")
