"""A paired difference is that of a bootstrap by hand, and claims about as often as it says."""

from dataclasses import replace

import numpy as np
import pytest

from covseg.measure.counts import FIELDS, Counts
from covseg.measure.paired import paired
from covseg.measure.scores import Score

MEAN = Score("", lambda c: c.absolute_error, lambda c: np.ones_like(c.n_pixels), low_is_good=True)


def of_errors(errors: np.ndarray) -> Counts:
    values = np.zeros((len(errors), len(FIELDS)))
    values[:, FIELDS.index("absolute_error")] = errors
    return Counts.of(values)


def test_the_difference_is_that_of_a_bootstrap_by_hand():
    generator = np.random.default_rng(3)
    strata = np.repeat(["COVID-19", "Normal"], [60, 40])
    a, b = generator.random((2, 100))
    found = paired(MEAN, [of_errors(a)], [of_errors(b)], strata)
    drawn = [
        np.r_[generator.integers(0, 60, 60), generator.integers(60, 100, 40)] for _ in range(20_000)
    ]
    gains = np.array([(a - b)[places].mean() for places in drawn])
    assert found is not None
    assert found.difference == pytest.approx((a - b).mean())
    assert found.interval == pytest.approx(np.percentile(gains, [2.5, 97.5]), abs=0.01)
    assert found.share_of_resamples_better == pytest.approx((gains < 0).mean(), abs=0.04)


def test_seeds_are_averaged_image_by_image():
    generator = np.random.default_rng(4)
    strata = np.full(80, "Normal")
    a, b = generator.random((3, 80)), generator.random((2, 80))
    found = paired(MEAN, [*map(of_errors, a)], [*map(of_errors, b)], strata)
    of_means = paired(MEAN, [of_errors(a.mean(0))], [of_errors(b.mean(0))], strata)
    assert found is not None
    assert of_means is not None
    assert found.difference == pytest.approx(of_means.difference)
    assert found.interval == pytest.approx(of_means.interval)


def test_copies_are_drawn_together():
    """Every image twice: the interval is that of half as many images, not of all of them."""
    a, b = np.random.default_rng(5).random((2, 100))
    twice = [of_errors(np.repeat(values, 2)) for values in (a, b)]
    strata = np.full(200, "Normal")
    apart, together = (
        paired(MEAN, twice[:1], twice[1:], strata, families)
        for families in (None, np.repeat(np.arange(100), 2).tolist())
    )
    once = paired(MEAN, [of_errors(a)], [of_errors(b)], strata[:100])
    assert apart is not None
    assert once is not None
    assert together is not None
    assert together.interval == pytest.approx(once.interval)
    assert np.ptp(together.interval) / np.ptp(apart.interval) == pytest.approx(2**0.5, abs=0.1)


def test_the_same_run_is_neither_better_nor_worse():
    errors = of_errors(np.arange(5.0))
    found = paired(MEAN, [errors], [errors], np.full(5, "Normal"))
    assert found is not None
    assert (found.interval, found.share_of_resamples_better) == ((0, 0), 0.5)
    assert found.images_to_settle is None


def test_an_undefined_score_has_no_difference():
    nothing = replace(MEAN, denominator=lambda c: np.zeros_like(c.n_pixels))
    errors = of_errors(np.arange(5.0))
    assert paired(nothing, [errors], [errors], np.full(5, "Normal")) is None


@pytest.mark.parametrize(
    ("n", "n_cases", "most"),
    [(8, 50, 0), (60, 50, 0), pytest.param(200, 200, 20, marks=pytest.mark.nightly)],
)
def test_without_a_true_difference_the_claim_is_rare(n, n_cases, most):
    """Images like those of a test set: skewed errors, two networks that share most of them.

    5 % of 200 is 10; a count above 20 has a probability below 0.2 %. Few images claim nothing,
    though their intervals exclude 0 too often.
    """
    generator = np.random.default_rng(0)
    strata = np.repeat(["COVID-19", "Normal"], n // 2)
    claims = excluded = 0
    for _ in range(n_cases):
        shared = generator.exponential(1, n)
        a, b = (of_errors(shared + generator.exponential(0.5, n)) for _ in range(2))
        found = paired(MEAN, [a], [b], strata)
        assert found is not None
        claims += found.distinct
        excluded += found.excludes_zero
    assert claims <= most
    assert excluded >= 2


def test_a_score_of_few_images_makes_no_claim_however_many_there_are():
    """Of copies one counts, and of a score of positive images those that are positive."""
    strata, errors = np.full(300, "Normal"), np.linspace(0, 1, 300)
    pair = [of_errors(errors)], [of_errors(errors + 1)]
    of_few = replace(MEAN, denominator=lambda c: (np.arange(300) < 99).astype(float))
    copies = np.minimum(np.arange(300), 98).tolist()
    for score, families in ((of_few, None), (MEAN, copies)):
        found = paired(score, *pair, strata, families)
        assert found is not None
        assert found.n_carrying == 99
        assert not found.distinct
    assert paired(MEAN, *pair, strata).distinct  # type: ignore[union-attr]


def test_so_many_images_settle_it_in_four_of_five_cases():
    """By the normal approximation, and by drawing test sets of that size."""
    shift, strata = 0.1, np.full(100, "Normal")
    errors = np.random.default_rng(2).normal(0, 0.5, 100)
    errors += shift - errors.mean()
    first = paired(MEAN, [of_errors(errors)], [of_errors(np.zeros(100))], strata)
    assert first is not None
    needed = first.images_to_settle
    assert needed == pytest.approx((2.8016 * errors.std() / shift) ** 2, rel=0.1)
    generator, settled = np.random.default_rng(1), 0
    for _ in range(100):
        drawn = of_errors(generator.normal(shift, errors.std(), needed))
        found = paired(MEAN, [drawn], [of_errors(np.zeros(needed))], np.full(needed, "Normal"))
        assert found is not None
        settled += found.distinct
    assert 68 <= settled <= 92  # 80 of 100, three standard errors each way
