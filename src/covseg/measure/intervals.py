"""95 % confidence intervals of scores over the choice of images, not over the seed of a training.

Percentile bootstrap, stratified by patient class (otherwise the variance of the class ratio doubles
the width); known copies of one radiograph, and images of one patient, are not independent and are
drawn together. Shares of images have Wilson's interval.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from covseg.measure.counts import Counts, Numbers
from covseg.measure.scores import Score

N_RESAMPLES = 2000
_FEWEST = 5  # families of which resamples say anything of others
_LEVEL = 0.95
_Z = 1.959963984540054  # standard normal quantile of 0.975
_SEED = 0
_BLOCK_SIZE = 250  # resamples computed at a time; limits memory, does not change the result

Interval = tuple[float, float] | None


def intervals(
    scores: Mapping[str, Score],
    counts: Counts,
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None = None,
) -> dict[str, Interval]:
    """The interval of each score, None where the score is undefined or there are few families.

    Args:
        scores: by name.
        counts: of n images, in an order that does not depend on the run.
        strata: [n], resampled separately.
        families: [n], images with equal values are drawn together; None: every image is drawn
            separately.
    """
    if are_few(families):
        return dict.fromkeys(scores)
    return intervals_of(scores, counts, resampled(scores, counts, strata, families))


def are_few(families: Sequence[Hashable] | None) -> bool:
    """Whether resamples of the families would say nothing of others: there are fewer than five."""
    return families is not None and len(set(families)) < _FEWEST


def intervals_of(
    scores: Mapping[str, Score], counts: Counts, columns: Numbers
) -> dict[str, Interval]:
    """The interval of each score from the result of ``resampled``; see :func:`intervals`."""
    return {
        name: _interval(score, counts, column)
        for (name, score), column in zip(scores.items(), columns, strict=True)
    }


def resampled(
    scores: Mapping[str, Score],
    counts: Counts,
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None = None,
) -> Numbers:
    """The scores of each resample, [n_scores, N_RESAMPLES], not finite where undefined.

    Equal ``strata`` and ``families`` give the same resamples of images, whatever the counts are.
    The arguments are those of :func:`intervals`.
    """
    above = np.stack([score.numerator(counts) for score in scores.values()], axis=1)
    below = np.stack([score.denominator(counts) for score in scores.values()], axis=1)
    columns = _resampled_ratios(above, below, strata, families)
    roots = [score.root for score in scores.values()]
    columns[roots] = np.sqrt(columns[roots])
    return columns


def mean_interval(
    values: Numbers,
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None = None,
) -> tuple[float, float]:
    """The interval of the mean of a number of each image, [n]; see :func:`intervals`."""
    above = np.asarray(values, np.float64)[:, None]
    return central(_resampled_ratios(above, np.ones_like(above), strata, families)[0])


def _resampled_ratios(
    above: Numbers,
    below: Numbers,
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None,
) -> Numbers:
    """Ratios of sums [n, k] over the images of each resample, [k, N_RESAMPLES]."""
    if families is not None:
        numbers = _family_numbers(strata, families)
        _, firsts = np.unique(numbers, return_index=True)
        strata = _joined(strata[firsts])
        above, below = _sums(above, numbers), _sums(below, numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [(weights @ above) / (weights @ below) for weights in _resamples(strata)]
    return np.asarray(np.concatenate(ratios).T, np.float64)


def _joined(strata: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """The strata of families, those of few families as one: a single one would never vary."""
    names, n_families = np.unique(strata, return_counts=True)
    return np.where(np.isin(strata, names[n_families < _FEWEST]), "", strata)


def central(values: Numbers) -> tuple[float, float]:
    """The central 95 % of the finite values."""
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values[np.isfinite(values)], [tail, 100 - tail])
    return float(low), float(high)


def _interval(score: Score, counts: Counts, column: Numbers) -> Interval:
    below = float(score.denominator(counts).sum())
    if below == 0:
        return None
    if score.rate:
        return wilson(float(score.numerator(counts).sum()), below)
    return central(column)


def _family_numbers(
    strata: npt.NDArray[np.str_], families: Sequence[Hashable]
) -> npt.NDArray[np.intp]:
    """A number for each family within a stratum, in order of appearance, [n]."""
    numbers: dict[Hashable, int] = {}
    pairs = zip(strata.tolist(), families, strict=True)
    return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.intp)


def _sums(values: Numbers, numbers: npt.NDArray[np.intp]) -> Numbers:
    """Sums of the rows [n, k] with equal number, [numbers, k]."""
    sums = np.zeros((numbers.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return sums


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, 1927); ``n`` is at least 1."""
    share = successes / n
    centre = share + _Z**2 / (2 * n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    # exact bounds for 0 and n successes: rounding must not move them past the share
    low = 0.0 if successes == 0 else float((centre - half) / scale)
    high = 1.0 if successes == n else float((centre + half) / scale)
    return low, high


def _resamples(strata: npt.NDArray[np.str_]) -> Iterator[Numbers]:
    """How often each image is drawn, [_BLOCK_SIZE, n]; every stratum keeps its size."""
    generator = np.random.default_rng(_SEED)
    members = [np.flatnonzero(strata == name) for name in np.unique(strata)]
    for _ in range(0, N_RESAMPLES, _BLOCK_SIZE):
        weights = np.zeros((_BLOCK_SIZE, len(strata)))
        for places in members:
            uniform = np.full(len(places), 1 / len(places))
            weights[:, places] = generator.multinomial(len(places), uniform, size=_BLOCK_SIZE)
        yield weights
