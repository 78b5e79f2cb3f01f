"""What a sweep has shown: one row a job, one point for runs that differ in seed or fold alone."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from covseg.measure.scores import OBJECTIVE
from covseg.report.sweep.search import SearchResult

REPEATS = ("seed", "data.fold")  # runs that differ in these alone measure the same
_DIGITS = 8
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
    folder: str = ""  # of its run
    reason: str = ""  # why it failed

    def score(self, name: str, bound: str = "value") -> float | None:
        """A score, of the first target if there are several; None if it is undefined."""
        entries = (e for key, e in self.scores.items() if key.rpartition("/")[2] == name)
        entry = next(entries, None)
        return None if entry is None else entry[bound]


@dataclass(frozen=True)
class Point:
    """The finished jobs with the same settings but for seed and fold."""

    settings: Mapping[str, str]
    rows: Sequence[Row]
    values: Sequence[float]  # of the rows, what they are compared by

    @property
    def mean(self) -> float:
        """Of the values."""
        return fmean(self.values)

    @property
    def spread(self) -> float | None:
        """Standard deviation over the jobs, None for one."""
        return stdev(self.values) if len(self.values) > 1 else None

    def score(self, name: str, bound: str = "value") -> float | None:
        """The mean over the jobs of a score of the split that they report."""
        values = [row.score(name, bound) for row in self.rows]
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class SweepResult:
    """A sweep so far, and its search if it is one."""

    rows: Sequence[Row]
    search: SearchResult | None = None

    @cached_property
    def keys(self) -> list[str]:
        """What varies, with seed and fold last."""
        keys = dict.fromkeys(key for row in self.rows for key in row.settings)
        return sorted(keys, key=lambda key: key in REPEATS)

    @cached_property
    def by_objective(self) -> bool:
        """Whether jobs are compared by their objective, on Val, or by the same score elsewhere."""
        return any(row.objective is not None for row in self.rows)

    @cached_property
    def split(self) -> str:
        """On which jobs are compared; those of another split are not among the points."""
        scored = (row.split for row in self.rows if row.status == "finished")
        return "Val" if self.by_objective else next(scored, "")

    @property
    def statuses(self) -> str:
        """How many jobs there are of each status, as words."""
        return ", ".join(
            f"{n} {status}" for status, n in Counter(r.status for r in self.rows).items()
        )

    @property
    def one_split(self) -> bool:
        """Whether jobs are compared on the split whose scores they report."""
        return all(row.split == self.split for point in self.points for row in point.rows)

    @property
    def reports_test(self) -> bool:
        """Whether a job has scored Test."""
        return any(row.split == "Test" for row in self.rows)

    def value(self, row: Row) -> float | None:
        """What a job is compared by; None if it is not finished, or of another split."""
        if row.status != "finished":
            return None
        if self.by_objective:
            return row.objective
        return row.score(OBJECTIVE) if row.split == self.split else None

    @cached_property
    def points(self) -> list[Point]:
        """Finished jobs, the best first."""
        groups: dict[tuple[tuple[str, str], ...], list[tuple[Row, float]]] = {}
        for row in self.rows:
            if (value := self.value(row)) is not None:
                settings = {key: text for key, text in row.settings.items() if key not in REPEATS}
                groups.setdefault(tuple(sorted(settings.items())), []).append((row, value))
        points = [
            Point(dict(settings), [row for row, _ in jobs], [value for _, value in jobs])
            for settings, jobs in groups.items()
        ]
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

    @property
    def comparable(self) -> list[str]:
        """What varies in steps: keys with a value that several points have."""
        return [key for key in self.axes if len(self.choices(key)) < len(self.points)]

    def effects(self, key: str) -> dict[str, tuple[int, float]]:
        """For each value of a key the number of points that have it, and their mean."""
        of_value: dict[str, list[float]] = {value: [] for value in self.choices(key)}
        for point in self.points:
            of_value[point.settings.get(key, "")].append(point.mean)
        return {value: (len(means), fmean(means)) for value, means in of_value.items()}


def shown(value: str) -> str:
    """A value for people: a sampled number has sixteen digits."""
    parsed = number(value)
    return value if parsed is None or len(value) <= _DIGITS else f"{parsed:.4g}"


def number(value: str) -> float | None:
    """An override's value as a finite number, None if it is none."""
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None
