"""Intervals cover what they promise, come out the same twice, and are None where nothing is."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from covseg.measure.counts import FIELDS, Counts, count
from covseg.measure.intervals import intervals, mean_interval, wilson
from covseg.measure.scores import SCORES, Score

MEAN = {"mean": Score("", lambda c: c.absolute_error, lambda c: np.ones_like(c.n_pixels))}


def of_errors(errors: np.ndarray) -> Counts:
    """One-pixel images whose ``mean`` is the mean of these errors."""
    values = np.zeros((len(errors), len(FIELDS)))
    values[:, FIELDS.index("n_pixels")] = 1
    values[:, FIELDS.index("absolute_error")] = errors
    return Counts.of(values)


def one_class(n: int) -> np.ndarray:
    return np.full(n, "COVID-19")


def width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


@pytest.fixture(scope="module")
def values(random_case: Callable) -> np.ndarray:
    return count(*random_case(11, 60), 0.5).flatten(0, 1).numpy()


@pytest.fixture(scope="module")
def strata(values: np.ndarray) -> np.ndarray:
    return np.where(values[:, 1] > 0, "COVID-19", np.where(values[:, 3] > 9, "Non-COVID", "Normal"))


def test_an_interval_is_the_same_twice_whatever_else_is_random(
    values: np.ndarray, strata: np.ndarray
) -> None:
    first = intervals(SCORES, Counts.of(values), strata)
    np.random.seed(1)  # noqa: NPY002 - the global stream is what must not matter
    assert intervals(SCORES, Counts.of(values), strata) == first
    alone = intervals({"mae": SCORES["mae"]}, Counts.of(values), strata)
    assert alone["mae"] == pytest.approx(first["mae"], rel=1e-12)


def test_the_interval_of_a_mean_of_normals_is_the_normal_one() -> None:
    errors = np.random.default_rng(0).normal(5, 2, 400)
    low, high = intervals(MEAN, of_errors(errors), one_class(400))["mean"]
    standard_error = errors.std() / math.sqrt(400)
    # a bootstrap quantile of 2,000 resamples is itself known to 0.06 standard errors
    assert low == pytest.approx(errors.mean() - 1.96 * standard_error, abs=0.2 * standard_error)
    assert high == pytest.approx(errors.mean() + 1.96 * standard_error, abs=0.2 * standard_error)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    samples = np.random.default_rng(1).normal(5, 2, (500, 80))
    many = {
        str(n): replace(MEAN["mean"], numerator=lambda c, sample=sample: sample)
        for n, sample in enumerate(samples)
    }
    of_samples = intervals(many, of_errors(samples[0]), one_class(80))
    covered = np.mean([low < 5 < high for low, high in of_samples.values()])
    assert 0.92 < covered < 0.98


@pytest.mark.parametrize("name", [name for name, score in SCORES.items() if not score.rate])
def test_an_interval_is_that_of_a_bootstrap_written_out(
    name: str, values: np.ndarray, strata: np.ndarray
) -> None:
    draw = np.random.default_rng(123)
    groups = [np.flatnonzero(strata == label) for label in np.unique(strata)]
    drawn = []
    for _ in range(2000):
        places = np.concatenate([draw.choice(group, len(group)) for group in groups])
        drawn.append(SCORES[name](Counts.of(values[places])))
    expected = np.percentile([value for value in drawn if value is not None], [2.5, 97.5])
    bounds = intervals({name: SCORES[name]}, Counts.of(values), strata)[name]
    assert bounds == pytest.approx(tuple(expected), abs=0.1 * (expected[1] - expected[0]))


def test_copies_count_as_one_draw_of_a_bootstrap_written_out(values: np.ndarray) -> None:
    n = len(values) // 2
    twice = np.concatenate([values[:n], values[:n]])  # every image stands there with a copy
    families = [*range(n), *range(n)]
    strata = one_class(2 * n)
    for name in ("rmse_per_image", "dice_pooled"):
        score = {name: SCORES[name]}
        known = intervals(score, Counts.of(twice), strata, families)[name]
        half = intervals(score, Counts.of(values[:n]), one_class(n))[name]
        assert known == pytest.approx(half, abs=1e-12)
        unknown = intervals(score, Counts.of(twice), strata)[name]
        assert width(unknown) < 0.9 * width(known)


def test_families_of_one_image_change_no_digit(values: np.ndarray, strata: np.ndarray) -> None:
    counts = Counts.of(values)
    alone = intervals(SCORES, counts, strata, range(len(values), 0, -1))
    assert alone == intervals(SCORES, counts, strata)


def test_a_resample_has_every_class_as_often_as_it_is_there() -> None:
    strata = np.array(["COVID-19"] * 5 + ["Normal"] * 15)
    share = of_errors((strata == "COVID-19").astype(float))
    assert intervals(MEAN, share, strata)["mean"] == pytest.approx((0.25, 0.25))
    assert width(intervals(MEAN, share, one_class(20))["mean"]) > 0.2


def test_stratification_takes_the_noise_of_the_class_ratio_out_of_the_width() -> None:
    draw = np.random.default_rng(2)
    strata = np.array(["COVID-19"] * 200 + ["Normal"] * 200)
    errors = np.concatenate([draw.normal(0.35, 0.1, 200), draw.normal(0.02, 0.01, 200)])
    stratified = width(intervals(MEAN, of_errors(errors), strata)["mean"])
    mixed = width(intervals(MEAN, of_errors(errors), one_class(400))["mean"])
    within = np.mean([errors[:200].var(), errors[200:].var()])
    assert stratified == pytest.approx(2 * 1.96 * math.sqrt(within / 400), rel=0.1)
    assert mixed == pytest.approx(2 * 1.96 * errors.std() / math.sqrt(400), rel=0.1)
    assert mixed > 2 * stratified


def test_the_interval_of_a_root_is_the_root_of_the_interval(
    values: np.ndarray, strata: np.ndarray
) -> None:
    rmse = SCORES["rmse_pooled"]
    both = {"rmse": rmse, "mse": replace(rmse, root=False)}
    bounds = intervals(both, Counts.of(values), strata)
    assert bounds["rmse"] == pytest.approx(tuple(np.sqrt(bounds["mse"])), rel=1e-3)


def test_an_interval_holds_the_score_and_stays_in_its_range(
    values: np.ndarray, strata: np.ndarray
) -> None:
    counts = Counts.of(values)
    for name, (low, high) in intervals(SCORES, counts, strata).items():
        assert 0 <= low <= SCORES[name](counts) <= high <= 1


def test_one_image_has_an_interval_without_width(values: np.ndarray) -> None:
    counts = Counts.of(values[values[:, 2] > 0][:1])  # a positive image with true pixels
    bounds = intervals(SCORES, counts, one_class(1))
    for name in ("rmse_per_image", "rmse_pooled", "dice_positive", "precision_pooled"):
        assert bounds[name] == pytest.approx((SCORES[name](counts),) * 2)


def test_the_interval_of_an_undefined_score_is_none() -> None:
    blank, sick = [9, 0, 0, 0, 0, 0, 0], [9, 3, 3, 0, 0, 0, 0]
    for image in (blank, sick):
        counts = Counts.of(np.array([image] * 4))
        bounds = intervals(SCORES, counts, one_class(4))
        undefined = {name for name, interval in bounds.items() if interval is None}
        assert undefined == {name for name, score in SCORES.items() if score(counts) is None}
        assert undefined


def test_resamples_in_which_a_score_is_undefined_are_left_out() -> None:
    # one image in ten has pixels: in about a third of the resamples it is not drawn
    counts = Counts.of(np.array([[9, 4, 2, 2, 2, 0, 0]] + [[9, 0, 0, 0, 0, 0, 0]] * 9))
    assert intervals(SCORES, counts, one_class(10))["dice_pooled"] == (0.5, 0.5)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # z = 1.96 by hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z^2 = 3.8415
        (0, 10, 0.0000, 0.2775),  # 2 * 0.19207 / 1.38415
        (5, 10, 0.2366, 0.7634),  # (0.69207 -+ 0.36461) / 1.38415
        (10, 10, 0.7225, 1.0000),  # 1 / 1.38415
    ],
)
def test_wilsons_interval_is_the_published_one(
    successes: int, n: int, low: float, high: float
) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5.1e-5)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 582, 1166])
def test_wilsons_bounds_are_where_a_test_of_the_share_would_just_reject(n: int) -> None:
    for successes in {0, 1, n // 2, n}:
        for bound in wilson(successes, n):
            assert 0 <= bound <= 1
            distance = abs(successes / n - bound)
            assert distance == pytest.approx(
                1.959963985 * math.sqrt(bound * (1 - bound) / n), abs=1e-7
            )


def test_a_share_of_images_has_wilsons_interval() -> None:
    alarm, calm = [9, 0, 0, 2, 0, 2, 2], [9, 0, 0, 0, 0, 0, 0]
    missed, hit = [9, 3, 0, 0, 3, 3, 3], [9, 3, 3, 0, 0, 0, 0]
    counts = Counts.of(np.array([alarm] + [calm] * 9 + [missed] * 5 + [hit] * 5))
    bounds = intervals(SCORES, counts, one_class(20))
    assert bounds["false_alarm_rate"] == wilson(1, 10)
    assert bounds["detection_specificity"] == wilson(9, 10)
    assert bounds["miss_rate"] == bounds["detection_sensitivity"] == wilson(5, 10)
    assert bounds["dice_all"] != wilson(14, 20)  # a mean of Dice is no share of images


def test_few_families_say_nothing_of_others():
    """Protects: of one patient an interval would have no width, as if it were certain."""
    counts, families = of_errors(np.arange(8.0)), [0, 0, 1, 1, 2, 2, 3, 3]
    assert intervals(MEAN, counts, one_class(8), families) == {"mean": None}
    assert intervals(MEAN, counts, one_class(8), [*families[:7], 4])["mean"] is not None


def test_a_class_of_one_family_varies_with_other_small_ones():
    values = np.arange(12.0)
    strata = np.array(["a"] * 4 + ["b"] * 4 + ["c"] * 4)
    families = [*range(4), *([4] * 4), *([5] * 4)]
    low, high = mean_interval(values, strata, families)
    assert low < values[4:].mean() < high
