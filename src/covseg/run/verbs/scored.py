"""A split that was scored once: its records, and its pixels by their probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from covseg.data.index import Index, Key
from covseg.learn.module import SegmentationModule
from covseg.measure.counts import FIELDS
from covseg.measure.histogram import N_BINS, Histogram
from covseg.measure.image_histograms import ImageHistograms
from covseg.measure.records import Records
from covseg.measure.scores import Score
from covseg.measure.thresholds import OverThresholds


@dataclass(frozen=True)
class ScoredSplit:
    """The result of scoring every image of a split once.

    Attributes:
        records: of all images and targets.
        image_histograms: of the same.
        numbers: of the images in the index.
        targets: in the order of the network's logits.
    """

    records: Records
    image_histograms: ImageHistograms
    numbers: Mapping[Key, int]
    targets: Sequence[str]

    @classmethod
    def of(cls, module: SegmentationModule, index: Index, targets: Sequence[str]) -> "ScoredSplit":
        """What a module has collected in its last test epoch."""
        assert module.collected is not None
        images, sums = (part.numpy() for part in module.collected_histograms)
        return cls(
            Records.of(module.collected.numpy(), index.rows, targets),
            ImageHistograms.of(images, sums),
            index.numbers(),
            list(map(str, targets)),
        )

    def at(self, threshold: float) -> "ScoredSplit":
        """The same with the predictions of another threshold, a multiple of 1 / N_BINS."""
        values = self.records.values.copy()
        step = round(threshold * N_BINS)
        for place, target in enumerate(self.targets):
            of_target = self.records.target == target
            rows = [self.numbers[key] for key in self.records.where(of_target).keys]
            fp, tp = (above[:, step] for above in self.image_histograms.above(place, rows))
            truth = values[of_target, FIELDS.index("truth_pixels")]
            for name, column in (("tp", tp), ("fp", fp), ("fn", truth - tp)):
                values[of_target, FIELDS.index(name)] = column
        return replace(self, records=replace(self.records, values=values))

    def of_first_target(self) -> Records:
        """The records of the target that chooses."""
        return self.records.where(self.records.target == self.targets[0])

    @property
    def rows(self) -> list[int]:
        """The numbers of the scored images in the index, sorted."""
        return sorted(self.numbers[key] for key in set(self.records.keys))

    @property
    def histograms(self) -> dict[str, Histogram]:
        """Of all images together, by target."""
        pooled = self.image_histograms.pooled
        return {target: pooled(place) for place, target in enumerate(self.targets)}

    def over_thresholds(
        self, scores: Mapping[str, Score], detection_min_pixels: int
    ) -> dict[str, OverThresholds]:
        """Every score at each threshold, by target."""
        parts = {}
        for place, target in enumerate(self.targets):
            records = self.records.where(self.records.target == target)
            rows = [self.numbers[key] for key in records.keys]
            fp, tp = self.image_histograms.above(place, rows)
            parts[target] = OverThresholds.of(records.counts(detection_min_pixels), fp, tp, scores)
        return parts
