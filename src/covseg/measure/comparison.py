"""Runs on the same images side by side: what differs, and by how much they differ."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

from covseg.measure.counts import Counts
from covseg.measure.intervals import Interval, intervals
from covseg.measure.paired import Paired, paired
from covseg.measure.scores import SCORES

SEED = "seed"


@dataclass(frozen=True)
class ComparedRun:
    """A run.

    Attributes:
        name: of its folder.
        settings: the values of its configuration by their dotted keys.
        counts: of its images.
        seconds: that it took, if its folder says so.
    """

    name: str
    settings: Mapping[str, str]
    counts: Counts
    seconds: float | None


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, which differ in the seed alone."""

    runs: Sequence[ComparedRun]

    @property
    def name(self) -> str:
        """Of the first run, and how many there are."""
        more = f" ({len(self.runs)} seeds)" if len(self.runs) > 1 else ""
        return self.runs[0].name + more

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
        strata: patient class of each image, [n].
        families: a number for each image, equal for copies, [n]; None if copies are not known.
    """

    target: str
    split: str
    groups: Sequence[Group]
    strata: npt.NDArray[np.str_]
    families: Sequence[Hashable] | None

    @property
    def reference(self) -> Group:
        """The configuration that the others are compared with."""
        return self.groups[0]

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

    @cached_property
    def bounds(self) -> list[dict[str, Interval]]:
        """For each group the interval of every score over images, of its first run."""
        return [
            intervals(SCORES, group.runs[0].counts, self.strata, self.families)
            for group in self.groups
        ]

    def difference(self, score: str, group: Group, other: Group) -> Paired | None:
        """The score of a group minus that of another."""
        one, two = ([run.counts for run in g.runs] for g in (group, other))
        return paired(SCORES[score], one, two, self.strata, self.families)

    def ranked(self, score: str) -> list[Group]:
        """The groups, the best first; without those whose score is undefined."""
        defined = [(m, g) for g in self.groups if (m := g.mean(score)) is not None]
        sign = 1 if SCORES[score].low_is_good else -1
        return [group for _, group in sorted(defined, key=lambda pair: sign * pair[0])]
