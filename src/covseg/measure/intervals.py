"""95 % intervals: how far a score could move with other images of the same kind.

Percentile bootstrap, stratified by patient class (otherwise the noise of the class ratio doubles
the width), with copies of one radiograph drawn together as far as they are known (they are no
independent images); and Wilson's interval for shares of images. They cover the choice of images,
not the seed of a training.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from covseg.measure.counts import Counts, Numbers
from covseg.measure.scores import Score

N_RESAMPLES = 2000
_LEVEL = 0.95
_Z = 1.959963984540054  # standard normal quantile of 0.975
_SEED = 0
_BLOCK = 250  # resamples at a time: bounds the memory, not the result

Interval = tuple[float, float] | None


def intervals(
    scores: Mapping[str, Score],
    counts: Counts,
    strata: npt.NDArray[np.str_],
    families: Sequence[Hashable] | None = None,
) -> dict[str, Interval]:
    """The interval of each score, None where the score is undefined.

    Args:
        scores: by name.
        counts: of n images, in an order that does not depend on the run.
        strata: [n], resampled separately.
        families: [n], drawn together where they are equal; None draws each image by itself.
    """
    names = list(scores)
    above = np.stack([scores[name].numerator(counts) for name in names], axis=1)
    below = np.stack([scores[name].denominator(counts) for name in names], axis=1)
    if families is not None:
        numbers = _family_numbers(strata, families)
        _, firsts = np.unique(numbers, return_index=True)
        strata, above, below = strata[firsts], _sums(above, numbers), _sums(below, numbers)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.concatenate(
            [(w @ above) / (w @ below) for w in _resamples(strata)], axis=0
        )  # [N_RESAMPLES, n_scores]
    found: dict[str, Interval] = {}
    for place, name in enumerate(names):
        score, n = scores[name], float(below[:, place].sum())
        if n == 0:
            found[name] = None
        elif score.rate:
            found[name] = wilson(float(above[:, place].sum()), n)
        else:
            values = draws[np.isfinite(draws[:, place]), place]
            tail = 100 * (1 - _LEVEL) / 2
            low, high = np.percentile(np.sqrt(values) if score.root else values, [tail, 100 - tail])
            found[name] = float(low), float(high)
    return found


def _family_numbers(
    strata: npt.NDArray[np.str_], families: Sequence[Hashable]
) -> npt.NDArray[np.intp]:
    """The families within a stratum, numbered as they come, [n]."""
    numbers: dict[Hashable, int] = {}
    pairs = zip(strata.tolist(), families, strict=True)
    return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.intp)


def _sums(values: Numbers, numbers: npt.NDArray[np.intp]) -> Numbers:
    """The rows [n, k] of each number added up, [numbers, k]."""
    found = np.zeros((numbers.max(initial=-1) + 1, values.shape[1]))
    np.add.at(found, numbers, values)
    return found


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, 1927); ``n`` is at least 1."""
    share = successes / n
    centre = share + _Z**2 / (2 * n)
    half = _Z * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    # the bounds of no and of only successes are exact: rounding must not move them past the share
    low = 0.0 if successes == 0 else float((centre - half) / scale)
    high = 1.0 if successes == n else float((centre + half) / scale)
    return low, high


def _resamples(strata: npt.NDArray[np.str_]) -> Iterator[Numbers]:
    """How often each image is drawn: blocks [_BLOCK, n], each class as often as it is there."""
    generator = np.random.default_rng(_SEED)
    members = [np.flatnonzero(strata == name) for name in np.unique(strata)]
    for _ in range(0, N_RESAMPLES, _BLOCK):
        weights = np.zeros((_BLOCK, len(strata)))
        for places in members:
            uniform = np.full(len(places), 1 / len(places))
            weights[:, places] = generator.multinomial(len(places), uniform, size=_BLOCK)
        yield weights
