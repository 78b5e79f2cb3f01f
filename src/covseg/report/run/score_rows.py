"""The rows of the table of scores beside the baselines'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from covseg.measure.scores import Score
from covseg.measure.summary import Summary

BASELINES = {
    "predict_nothing": "nothing",
    "constant": "constant",
    "mean_mask": "mean mask",
    "lung_mask": "lung mask",
}
Entry = Mapping[str, Any]  # value, low and high


@dataclass(frozen=True)
class ScoreRow:
    """A score of the run and of the baselines.

    Attributes:
        name: of the score.
        score: its definition.
        entry: of the run.
        trivial: values of the baselines.
        rest: the entry without leaks, None if there are none.
    """

    name: str
    score: Score
    entry: Entry
    trivial: Sequence[float | None]
    rest: Entry | None

    def is_best(self, value: float | None) -> bool:
        """Whether none of the run and the baselines has a better value."""
        values = [v for v in (self.entry["value"], *self.trivial) if v is not None]
        choose = min if self.score.low_is_good else max
        return value is not None and value == choose(values)


def baselines_of(part: Summary) -> dict[str, str]:
    """The baselines that a summary has, with their titles."""
    return {key: title for key, title in BASELINES.items() if key in part["baselines"]}


def score_rows(part: Summary, rest: Summary | None, scores: Mapping[str, Score]) -> list[ScoreRow]:
    """A row for each score.

    Args:
        part: the summary of a target.
        rest: the same without leaks, if there are any.
        scores: by name.
    """
    trivial = [part["baselines"][key]["scores"] for key in baselines_of(part)]
    return [
        ScoreRow(
            name=name,
            score=score,
            entry=part["scores"][name],
            trivial=[of[name] for of in trivial],
            rest=None if rest is None else rest["scores"][name],
        )
        for name, score in scores.items()
    ]


def best_baseline(part: Summary, name: str, score: Score) -> tuple[str, float] | None:
    """The title and the value of the baseline with the best value; None where none has any."""
    values = {
        title: value
        for key, title in baselines_of(part).items()
        if (value := part["baselines"][key]["scores"][name]) is not None
    }
    choose = min if score.low_is_good else max
    return choose(values.items(), key=lambda pair: pair[1]) if values else None
