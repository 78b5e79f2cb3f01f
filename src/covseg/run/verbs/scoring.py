"""From a trained network to its results: records, summary, scores over the threshold.

Train and evaluate share it, so that they cannot differ.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import lightning as L

from covseg.config.protocol import Protocol
from covseg.data.datamodule import XrayDataModule
from covseg.learn.module import SegmentationModule
from covseg.measure import baselines
from covseg.measure.histogram import write_histogram
from covseg.measure.operating_point import (
    OperatingPoint,
    choose_min_pixels,
    choose_threshold,
)
from covseg.measure.scores import OBJECTIVE, SCORES, Score
from covseg.measure.summary import Summary, summarise, write_summary
from covseg.measure.thresholds import OverThresholds, write_thresholds
from covseg.report.best_effort import best_effort
from covseg.report.predictions import Prediction, predictions
from covseg.report.progress_bar import RunProgress
from covseg.report.result import RunResult
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs import leaks
from covseg.run.verbs.audit_notes import audit_notes
from covseg.run.verbs.scored import ScoredSplit

log = logging.getLogger(__name__)


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
        self._scored: dict[str, ScoredSplit] = {}
        self._unlimited: dict[str, ScoredSplit] = {}

    def scored(self, split: str) -> ScoredSplit:
        """Score every image of a part once, over all processes; the same in each of them.

        ``trainer.limit_test_batches`` leaves some out.
        """
        if split not in self._scored:
            bar = self.trainer.progress_bar_callback
            if isinstance(bar, RunProgress):
                bar.scored = split
            self.trainer.test(self.module, self.data.score_loader(split), verbose=False)
            targets = self.data.data.targets
            self._scored[split] = ScoredSplit.of(self.module, self.data.index, targets)
        return self._scored[split]

    def objective(self, split: str) -> float | None:
        """What a search minimises: over all images of Val and the first target, without a limit."""
        return SCORES[OBJECTIVE](self._whole(split).of_first_target().counts())

    def operating_point(self, protocol: Protocol) -> OperatingPoint:
        """The threshold and the number of pixels of a protocol, chosen where they are ``auto``."""
        threshold, min_pixels = protocol.threshold, protocol.detection_min_pixels
        if threshold != "auto" and min_pixels != "auto":
            return OperatingPoint(threshold, min_pixels)
        assert protocol.select is not None  # see ``Protocol``
        chosen_on = self._whole(protocol.select)
        if threshold == "auto":
            first = chosen_on.over_thresholds(SCORES, 1)[chosen_on.targets[0]]
            threshold = choose_threshold(first)
            chosen_on = chosen_on.at(threshold)
        if min_pixels == "auto":
            min_pixels = choose_min_pixels(chosen_on.of_first_target().counts())
        return OperatingPoint(threshold, min_pixels, protocol.select)

    def _whole(self, split: str) -> ScoredSplit:
        """A split whose images are all scored, whatever the limit."""
        trainer, limit = self.trainer, self.trainer.limit_test_batches
        if trainer.fast_dev_run or (isinstance(limit, float) and limit == 1):  # type: ignore[attr-defined]
            return self.scored(split)
        if split not in self._unlimited:
            trainer.limit_test_batches = 1.0
            try:
                whole = Scorer(trainer, self.module, self.data, self.scores).scored(split)
            finally:
                trainer.limit_test_batches = limit
            self._unlimited[split] = whole
        return self._unlimited[split]

    def score(
        self,
        split: str,
        protocol: Protocol,
        statistics: baselines.BaselineStatistics,
        run: RunFolder,
        checkpoint: Path,
        objective: float | None,
    ) -> RunResult | None:
        """Score a split, and write everything that follows from its records into a folder.

        Args:
            split: to be reported.
            protocol: of the run.
            statistics: of the fitting images, for the baselines.
            run: the folder of the results.
            checkpoint: of the network's weights, in the folder of its training run.
            objective: of the run, if anything was selected.

        Returns:
            the result in the first process, None in others.
        """
        scored, data, point = self.scored(split), self.data, self.operating_point(protocol)
        if protocol.threshold == "auto":
            scored = scored.at(point.threshold)
        if not self.trainer.is_global_zero:
            return None
        rows, targets, families = scored.rows, data.data.targets, leaks.families(data)
        summary: Summary = {
            "split": split,
            "fold": data.data.fold,
            "excluded": data.division.excluded(),
        }
        summary |= summarise(
            scored.records,
            baselines.records(statistics, data.store, rows, targets),
            point=point,
            objective=objective,
            families=families,
            leaks=leaks.leaking(data, split),
            scores=self.scores,
            targets=scored.targets,
        )
        if seen := leaks.seen_rows(data, split):
            summary["fitted_before"] = len(seen)
        thresholds = self._over_thresholds(point.detection_min_pixels)
        scored.records.write(run.per_image)
        write_histogram(scored.histograms, run.histogram)
        write_thresholds(thresholds, run.thresholds)
        write_summary(summary, run.summary)
        return RunResult(
            folder=run.path,
            checkpoint=checkpoint,
            summary=summary,
            records=scored.records,
            histograms=scored.histograms,
            thresholds=thresholds,
            selects=protocol.select,
            monitor=protocol.monitor,
            families=families,
            warnings=self._warnings(split, len(rows)),
            predict=lambda target, places: self._predict(scored, target, places),
        )

    def _over_thresholds(self, detection_min_pixels: int) -> dict[tuple[str, str], OverThresholds]:
        """By split and target, of every split that was scored."""
        return {
            (split, target): of_target
            for split, scored in self._scored.items()
            for target, of_target in scored.over_thresholds(
                self.scores, detection_min_pixels
            ).items()
        }

    def _warnings(self, split: str, n_scored: int) -> list[str]:
        """What to know before believing a score."""
        warnings = [*self._gaps(split, n_scored), *leaks.warnings(self.data, split)]
        with best_effort("what the audit says to the page", "explore.html has it"):
            warnings += audit_notes(self.data, split)
        return warnings

    def _gaps(self, split: str, n_scored: int) -> list[str]:
        """Sentences on the images of a split that are not there or not scored, which are logged."""
        sentences = []
        if absent := self.data.division.absent_classes(split):
            sentences.append(f"{split} has no image of the class {' or '.join(absent)}")
        if n_scored < (n_images := len(self.data.rows(split))):
            sentences.append(f"only {n_scored} of the {n_images} images of {split} are scored")
        for sentence in sentences:
            log.warning(sentence)
        return sentences

    def _predict(self, of: ScoredSplit, target: str, places: Sequence[int]) -> list[Prediction]:
        """Images of a split, by the numbers of their records of a target."""
        keys = of.records.where(of.records.target == target).keys
        rows = [of.numbers[keys[place]] for place in places]
        return predictions(self.module, self.data, rows, of.targets.index(target))
