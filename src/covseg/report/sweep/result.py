"""What a sweep has shown: one row a job, one point for runs that differ in seed or fold alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from covseg.measure.scores import OBJECTIVE

REPEATS = ("seed", "data.fold")  # runs that differ in these alone measure the same
Entry = Mapping[str, Any]  # value, low and high of a score


@dataclass(frozen=True)
class Row:
    """A job."""

    job: str  # name of its folder
    settings: Mapping[str, str]  # what varies in the sweep, as it was written
    status: str
    split: str = ""  # that was scored
    objective: float | None = None  # on Val
    scores: Mapping[str, Entry] = field(default_factory=dict)  # of the split
    seconds: float | None = None  # of the command that finished the run
    run: str = ""  # its folder
    reason: str = ""  # why it failed

    @property
    def value(self) -> float | None:
        """What jobs are compared by: the objective, or the same score of another split."""
        if self.objective is not None:
            return self.objective
        value = self.scores.get(OBJECTIVE, {}).get("value")
        return None if value is None else float(value)


@dataclass(frozen=True)
class Point:
    """The finished jobs with the same settings but for seed and fold."""

    settings: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def values(self) -> list[float]:
        """Of the jobs, what they are compared by."""
        return [row.value for row in self.rows if row.value is not None]

    @property
    def mean(self) -> float:
        """Of the values."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the jobs, None for one."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class SweepResult:
    """A sweep so far."""

    rows: Sequence[Row]

    @cached_property
    def keys(self) -> list[str]:
        """What varies, with seed and fold last."""
        keys = dict.fromkeys(key for row in self.rows for key in row.settings)
        return sorted(keys, key=lambda key: key in REPEATS)

    @cached_property
    def points(self) -> list[Point]:
        """Finished jobs, the best first."""
        groups: dict[tuple[tuple[str, str], ...], list[Row]] = {}
        for row in self.rows:
            if row.status == "finished" and row.value is not None:
                settings = {key: value for key, value in row.settings.items() if key not in REPEATS}
                groups.setdefault(tuple(sorted(settings.items())), []).append(row)
        points = [Point(dict(settings), rows) for settings, rows in groups.items()]
        return sorted(points, key=lambda point: point.mean)

    @property
    def axes(self) -> list[str]:
        """What varies among the points."""
        return [key for key in self.keys if key not in REPEATS]

    def choices(self, key: str) -> list[str]:
        """The values of a key among the points, numbers in their order."""
        values = dict.fromkeys(point.settings.get(key, "") for point in self.points)
        numbers = {value: number(value) for value in values}
        if all(value is not None for value in numbers.values()):
            return sorted(values, key=lambda value: numbers[value] or 0.0)
        return list(values)

    def effects(self, key: str) -> dict[str, tuple[int, float]]:
        """For each value of a key the number of points that have it, and their mean."""
        of_value: dict[str, list[float]] = {value: [] for value in self.choices(key)}
        for point in self.points:
            of_value[point.settings.get(key, "")].append(point.mean)
        return {value: (len(means), fmean(means)) for value, means in of_value.items()}


def number(value: str) -> float | None:
    """An override's value as a finite number, None if it is none."""
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None
