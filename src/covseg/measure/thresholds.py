"""Every score over the threshold, and the threshold that Val would choose."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from covseg.csv_files import read_csv, write_csv
from covseg.errors import RunError
from covseg.measure.counts import Counts, Numbers
from covseg.measure.histogram import N_BINS
from covseg.measure.scores import SCORES, Score

# the score whose maximum on Val would choose a threshold; dice_positive, beside it, says nothing of
# false alarms on negative images, and has its maximum where there are many
CHOOSES = "dice_pooled"
_FIRST, _LAST = 5, 95  # 0.05 to 0.95
_LABELS = ("split", "target", "threshold")


@dataclass(frozen=True)
class OverThresholds:
    """Scores at several thresholds.

    Attributes:
        thresholds: 0.05, 0.06, ... 0.95.
        scores: by name, one value for each threshold; None where a score is undefined.
    """

    thresholds: Sequence[float]
    scores: Mapping[str, Sequence[float | None]]

    @classmethod
    def of(
        cls,
        counts: Counts,
        fp: Numbers,
        tp: Numbers,
        scores: Mapping[str, Score] = SCORES,
    ) -> "OverThresholds":
        """The scores of n images.

        Args:
            counts: at any threshold.
            fp: false positive pixels above every threshold k / N_BINS, [n, N_BINS].
            tp: true positive pixels, likewise.
            scores: by name.
        """
        steps = range(_FIRST, _LAST + 1)
        at = [
            dataclasses.replace(counts, tp=tp[:, k], fp=fp[:, k], fn=counts.truth_pixels - tp[:, k])
            for k in steps
        ]
        values = {name: [score(of) for of in at] for name, score in scores.items()}
        return cls([k / N_BINS for k in steps], values)

    def at(self, threshold: float) -> dict[str, float | None]:
        """The scores at the nearest threshold."""
        place = min(range(len(self.thresholds)), key=lambda n: abs(self.thresholds[n] - threshold))
        return {name: values[place] for name, values in self.scores.items()}

    @property
    def best(self) -> tuple[float, float] | None:
        """The threshold with the best ``CHOOSES``, the nearest to 0.5 of equal ones, and its score.

        None where no threshold finds a positive pixel.
        """
        pairs = zip(self.thresholds, self.scores[CHOOSES], strict=True)
        known = [(value, -abs(at - 0.5), at) for at, value in pairs if value]
        if not known:
            return None
        value, _, threshold = max(known)
        return threshold, value


def write_thresholds(of: Mapping[tuple[str, str], OverThresholds], path: Path) -> None:
    """Write ``thresholds.csv``: one row for each split, target and threshold."""

    def rows() -> Iterator[list[object]]:
        for (split, target), part in of.items():
            for place, threshold in enumerate(part.thresholds):
                values = (column[place] for column in part.scores.values())
                yield [split, target, threshold, *("" if v is None else v for v in values)]

    names = next(iter(of.values())).scores
    write_csv(path, (*_LABELS, *names), rows())


def read_thresholds(
    path: Path, scores: Mapping[str, Score] = SCORES
) -> dict[tuple[str, str], OverThresholds]:
    """Read a file written by ``write_thresholds``, by split and target.

    Raises:
        RunError: the file is missing or damaged, or has other scores.
    """
    remedy = "score the run again with covseg.evaluate"
    parts: dict[tuple[str, str], list[list[float | None]]] = {}
    try:
        for split, target, *values in read_csv(path, (*_LABELS, *scores), remedy):
            numbers = [float(value) if value else None for value in values]
            parts.setdefault((split, target), []).append(numbers)
    except ValueError as error:
        raise RunError(path, f"cannot be read ({error})", remedy) from error
    return {key: _of_columns(zip(*rows, strict=True), scores) for key, rows in parts.items()}


def _of_columns(
    columns: Iterable[tuple[float | None, ...]], scores: Mapping[str, Score]
) -> OverThresholds:
    thresholds, *values = columns
    return OverThresholds(
        [threshold or 0.0 for threshold in thresholds], dict(zip(scores, values, strict=True))
    )
