"""Runs on the same images side by side: what differs, and by how much they differ."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

from covseg.csv_files import Columns
from covseg.data.index import Key
from covseg.measure.counts import Counts, Numbers
from covseg.measure.intervals import Interval, are_few, central, intervals_of, resampled
from covseg.measure.paired import Paired, paired_of
from covseg.measure.scores import SCORES, rmse_of_each

SEED = "seed"


@dataclass(frozen=True)
class ComparedRun:
    """A run.

    Attributes:
        name: of its folder.
        settings: the values of its configuration by their dotted keys.
        counts: of its images.
        metrics: the columns of its ``metrics.csv``, if it was trained there.
        seconds: that its training took, if its folder says so.
        parameters: of its network, likewise.
    """

    name: str
    settings: Mapping[str, str]
    counts: Counts
    metrics: Columns
    seconds: float | None
    parameters: int | None


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, which differ in the seed alone."""

    runs: Sequence[ComparedRun]

    @property
    def name(self) -> str:
        """Of the first run, and how many there are."""
        more = f" ({len(self.runs)} seeds)" if len(self.runs) > 1 else ""
        return self.runs[0].name + more

    @property
    def seconds(self) -> float | None:
        """The mean over its runs; None where one is not known."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return fmean(known) if len(known) == len(self.runs) else None

    def values(self, score: str) -> list[float]:
        """The defined values of a score."""
        values = [SCORES[score](run.counts) for run in self.runs]
        return [value for value in values if value is not None]

    def mean(self, score: str) -> float | None:
        """Over the seeds; None where the score is undefined."""
        values = self.values(score)
        return fmean(values) if values else None

    def spread(self, score: str) -> float | None:
        """Standard deviation over the seeds; None for fewer than two."""
        values = self.values(score)
        return stdev(values) if len(values) > 1 else None


@dataclass(frozen=True)
class Comparison:
    """Runs on the same images.

    Attributes:
        target: that the scores are of.
        split: that was scored.
        groups: one for each configuration, the reference first.
        keys: of the images, [n].
        strata: patient class of each image, [n].
        families: a number for each image, equal for copies, [n]; None if copies are not known.
    """

    target: str
    split: str
    groups: Sequence[Group]
    keys: Sequence[Key]
    strata: npt.NDArray[np.str_]
    families: Sequence[Hashable] | None

    @property
    def reference(self) -> Group:
        """The configuration that the others are compared with."""
        return self.groups[0]

    @property
    def has_seeds(self) -> bool:
        """Whether a configuration has several."""
        return any(len(group.runs) > 1 for group in self.groups)

    @cached_property
    def differing(self) -> list[str]:
        """The keys in which the configurations differ, but for the seed."""
        of_groups = [group.runs[0].settings for group in self.groups]
        keys = dict.fromkeys(key for settings in of_groups for key in settings)
        return [
            key
            for key in keys
            if key != SEED and len({settings.get(key) for settings in of_groups}) > 1
        ]

    def label(self, group: Group) -> str:
        """The name of a group; of the job of a sweep, whose name is a number, its settings."""
        run = group.runs[0]
        if not run.name.rpartition("/")[2].isdigit() or not self.differing:
            return group.name
        values = (f"{key.rpartition('.')[2]} {run.settings.get(key)}" for key in self.differing)
        return ", ".join(values)

    @cached_property
    def bounds(self) -> list[dict[str, Interval]]:
        """For each group the interval of every score over images; of several seeds, of their mean.

        Of a single run it is that of ``summary.json``.
        """
        if are_few(self.families):
            return [dict.fromkeys(SCORES)] * len(self.groups)
        return [*map(self._bounds, self.groups, self._resampled)]

    @cached_property
    def _resampled(self) -> list[list[Numbers]]:
        """For each group and run the scores of each resample, the same resamples for all."""
        return [
            [resampled(SCORES, run.counts, self.strata, self.families) for run in group.runs]
            for group in self.groups
        ]

    @staticmethod
    def _bounds(group: Group, columns: Sequence[Numbers]) -> dict[str, Interval]:
        if len(group.runs) == 1:
            return intervals_of(SCORES, group.runs[0].counts, columns[0])
        return {
            name: central(column) if np.isfinite(column).any() else None
            for name, column in zip(SCORES, np.mean(columns, axis=0), strict=True)
        }

    def difference(self, score: str, group: Group, other: Group) -> Paired | None:
        """The score of a group minus that of another."""
        number = list(SCORES).index(score)
        places = [next(n for n, g in enumerate(self.groups) if g is one) for one in (group, other)]
        one, two = ([run.counts for run in self.groups[n].runs] for n in places)
        of_one, of_two = ([of[number] for of in self._resampled[n]] for n in places)
        return paired_of(SCORES[score], one, two, of_one, of_two, self.families)

    def most_different(self, group: Group, other: Group, n: int) -> list[int]:
        """The images on which one is better than the other by the most, and the other way round.

        Args:
            group: whose first run is compared by the RMSE of each image.
            other: with the first run of this one.
            n: images for each direction.

        Returns:
            numbers of images; those first on which ``group`` is better.
        """
        error, error_of_other = (rmse_of_each(g.runs[0].counts) for g in (group, other))
        gains = error_of_other - error
        order = np.argsort(-gains, kind="stable")
        better = [int(place) for place in order[:n] if gains[place] > 0]
        worse = [int(place) for place in order[::-1][:n] if gains[place] < 0]
        return better + worse

    def ranked(self, score: str) -> list[Group]:
        """The groups, the best first; without those whose score is undefined."""
        defined = [(m, g) for g in self.groups if (m := g.mean(score)) is not None]
        sign = 1 if SCORES[score].low_is_good else -1
        return [group for _, group in sorted(defined, key=lambda pair: sign * pair[0])]
