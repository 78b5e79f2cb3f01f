"""The result of a run, as its page and its dashboards show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from covseg.data.index import Key
from covseg.measure.histogram import Histogram
from covseg.measure.records import Records
from covseg.measure.scores import dice_of_each, rmse_of_each
from covseg.measure.summary import Summary, by_target, flat_scores
from covseg.measure.thresholds import OverThresholds
from covseg.report.predictions import Prediction

_N_WORST, _N_BEST = 50, 10
_FILES = ("config.yaml", "provenance.json", "summary.json", "per_image.csv", "histogram.csv")
_OTHERS = ("thresholds.csv", "metrics.csv", "train.log", "report.html")


@dataclass(frozen=True)
class RunResult:
    """The result of a training run, or of an evaluation of one.

    Attributes:
        folder: of the run.
        checkpoint: that was scored, in the folder of its training run.
        summary: the content of ``summary.json``.
        records: of the reported images.
        histograms: of the reported images, by target.
        thresholds: scores over the threshold, by split and target; also of the split that selects.
        selects: the split that selects a checkpoint, None if none does.
        monitor: the score that it is selected by.
        families: a number for each image, equal for copies; None if copies are not known.
        warnings: what to know before believing a score, as sentences.
        predict: numbers of records of one target -> images with truth and prediction.
        step: optimizer steps of a training run.
        at_checkpoint: epoch and scores on Val when it was saved, by their names in loggers.
    """

    folder: Path
    checkpoint: Path
    summary: Summary
    records: Records
    histograms: Mapping[str, Histogram]
    thresholds: Mapping[tuple[str, str], OverThresholds]
    selects: str | None
    monitor: str
    families: Mapping[Key, int] | None
    warnings: Sequence[str]
    predict: Callable[[str, Sequence[int]], list[Prediction]]
    step: int = 0
    at_checkpoint: Mapping[str, float] = field(default_factory=dict)

    @property
    def split(self) -> str:
        """The reported split."""
        return str(self.summary["split"])

    @property
    def threshold(self) -> float:
        """Prediction = probability > threshold."""
        return float(self.summary["threshold"])

    def choice(self, target: str) -> float | None:
        """The threshold that the selecting split would choose; None if it is not known."""
        of = self.thresholds.get((self.selects or "", target))
        best = None if of is None else of.best
        return None if best is None else best[0]

    @property
    def files(self) -> list[Path]:
        """The files of the run folder that say what the run was and what came of it."""
        names = (self.folder / name for name in (*_FILES, *_OTHERS))
        return [path for path in names if path.exists()]

    def above(self, target: str) -> str:
        """What the names of a target's scores begin with: the split, and the target of several."""
        return f"{self.split}/{target}" if len(self.histograms) > 1 else self.split

    def numbers(self) -> dict[str, float]:
        """Every defined score with its bounds and the baselines', by their names in loggers.

        ``Test/mae``, ``Test/mae_low``, ``Test/baselines/mean_mask/mae`` and so on, the objective,
        and the calibration error.
        """
        numbers: dict[str, float | None] = dict(flat_scores(self.summary))
        for target, part in by_target(self.summary).items():
            above = "/".join(filter(None, (self.split, target)))
            for name, entry in part["scores"].items():
                numbers |= {f"{above}/{name}_{bound}": entry[bound] for bound in ("low", "high")}
            for baseline, of in part["baselines"].items():
                for name, value in of["scores"].items():
                    numbers[f"{above}/baselines/{baseline}/{name}"] = value
        if self.summary["objective"] is not None:
            numbers["objective"] = self.summary["objective"]["value"]
        if (severity := self.summary.get("severity")) and severity["all"]:
            error = severity["all"]["mean_absolute_error"]["value"]
            numbers[f"{self.split}/severity/mean_absolute_error"] = error
        for target, histogram in self.histograms.items():
            numbers[f"{self.above(target)}/calibration_error"] = histogram.calibration_error
        return {name: value for name, value in numbers.items() if value is not None}

    def of_each_image(self, target: str) -> tuple[list[str], list[list[str | float]]]:
        """Columns and rows of a table of the images."""
        of = self.records.where(self.records.target == target)
        counts = of.counts()
        columns = ["image", "split", "class", "RMSE", "Dice", "truth pixels", "predicted pixels"]
        rows: list[list[str | float]] = [
            [*map(str, label), float(error), float(dice), int(truth), int(predicted)]
            for *label, error, dice, truth, predicted in zip(
                *(of.name, of.split, of.patient_class),
                *(rmse_of_each(counts), dice_of_each(counts)),
                *(counts.truth_pixels, counts.predicted_pixels),
                strict=True,
            )
        ]
        return columns, rows

    def telling(self, target: str) -> list[int]:
        """The images with the largest errors, and the positive ones with the best Dice.

        Returns:
            numbers of records of this target.
        """
        counts = self.records.where(self.records.target == target).counts()
        worst = np.argsort(-rmse_of_each(counts), kind="stable")[:_N_WORST]
        positive = np.flatnonzero(counts.positive)
        best = positive[np.argsort(-dice_of_each(counts)[positive], kind="stable")][:_N_BEST]
        return list(dict.fromkeys([*worst.tolist(), *best.tolist()]))
