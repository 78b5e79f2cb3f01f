"""What a search has shown: its trials, the best of them, and which keys mattered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """A trial that is complete."""

    number: int
    job: str  # name of its folder
    values: Sequence[float]  # of the objectives


@dataclass(frozen=True)
class SearchResult:
    """A search so far.

    Attributes:
        objectives: their names.
        low_is_good: of each objective.
        trials: in their order.
        best: trials than which no other is better in every objective: the Pareto front, or with one
            objective the best trial.
        importance: for each key the share of the variance of each objective that it explains
            (fANOVA); empty where too few trials are complete.
    """

    objectives: Sequence[str]
    low_is_good: Sequence[bool]
    trials: Sequence[Trial]
    best: Sequence[Trial]
    importance: Mapping[str, Sequence[float]]

    @property
    def verdict(self) -> str:
        """One sentence about the best."""
        if not self.best:
            return "No trial is complete."
        jobs = " ".join(dict.fromkeys(trial.job for trial in self.best))
        if len(self.objectives) == 1:
            value = f"{self.objectives[0]} {self.best[0].values[0]:.4f}"
            return f"Best of {len(self.trials)} trials: job {jobs} ({value})."
        front = f"the Pareto front of {' and '.join(self.objectives)}"
        return f"Best of {len(self.trials)} trials, {front}: {jobs}."

    @property
    def best_so_far(self) -> list[float]:
        """The best value of the first objective after each trial."""
        better, best = min if self.low_is_good[0] else max, list[float]()
        for trial in self.trials:
            best.append(better([*best[-1:], trial.values[0]]))
        return best
