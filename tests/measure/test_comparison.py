"""Runs side by side: seeds are folded, jobs named by their settings, and claims are rare."""

import numpy as np
import pytest

from covseg.measure.comparison import ComparedRun, Comparison, Group
from covseg.measure.counts import FIELDS, Counts
from covseg.measure.scores import SCORES

N = 200
STRATA = np.repeat(["COVID-19", "Normal"], N // 2)
KEYS = [("Test", name, f"{place}.png") for place, name in enumerate(STRATA.tolist())]


def run(rmse: np.ndarray, name: str = "0", **settings: str) -> ComparedRun:
    """A run with this error on each image, of one pixel."""
    values = np.zeros((N, len(FIELDS)))
    values[:, FIELDS.index("n_pixels")] = 1
    values[:, FIELDS.index("squared_error")] = rmse**2
    return ComparedRun(name, settings, Counts.of(values), {}, None, None)


def comparison(*groups: list[ComparedRun]) -> Comparison:
    return Comparison("infection", "Test", [*map(Group, groups)], KEYS, STRATA, None)


@pytest.mark.nightly  # ten seconds of simulations
def test_the_best_of_several_equal_ones_is_seldom_called_better_than_the_next():
    """Two make a claim in one of twenty cases, more of them in fewer: the best two are close."""
    draw, n_cases = np.random.default_rng(0), 80
    claims = 0
    for _ in range(n_cases):
        shared = draw.exponential(0.1, N)
        errors = [shared + draw.exponential(0.05, N) for _ in range(4)]
        best, following = (of := comparison(*([run(e, str(e[0]))] for e in errors))).ranked(
            "rmse_per_image"
        )[:2]
        difference = of.difference("rmse_per_image", best, following)
        assert difference is not None
        claims += difference.distinct
    assert claims <= 0.05 * n_cases


def test_jobs_are_labelled_by_what_differs_and_other_runs_by_their_names():
    errors = np.ones(N)
    jobs = comparison(
        [run(errors, "sweep/0", seed="0", **{"model.depth": "2", "same": "1"})],
        [run(errors, "sweep/1", seed="0", **{"model.depth": "3", "same": "1"})],
    )
    assert [jobs.label(group) for group in jobs.groups] == ["depth 2", "depth 3"]
    named = comparison([run(errors, "wide", width="8")], [run(errors, "narrow", width="4")])
    assert [named.label(group) for group in named.groups] == ["wide", "narrow"]


def test_the_images_that_differ_most_come_in_both_directions():
    first, second = np.full(N, 0.5), np.full(N, 0.5)
    first[[3, 7]] = 0.1, 0.3  # better by 0.4 and 0.2
    first[[11, 5]] = 0.8, 0.6  # worse by 0.3 and 0.1
    of = comparison([run(first)], [run(second)])
    assert of.most_different(*of.groups, 2) == [3, 7, 11, 5]
    assert of.most_different(*of.groups, 5) == [3, 7, 11, 5]  # none that are equal


def test_the_interval_of_seeds_is_that_of_their_mean():
    draw = np.random.default_rng(2)
    seeds = draw.random((3, N))
    of = comparison([run(e) for e in seeds])
    alone = comparison([run(seeds.mean(axis=0))])
    assert of.bounds[0]["rmse_per_image"] == pytest.approx(alone.bounds[0]["rmse_per_image"])
    assert of.groups[0].mean("rmse_per_image") == pytest.approx(seeds.mean())
    assert of.groups[0].spread("rmse_per_image") == pytest.approx(seeds.mean(axis=1).std(ddof=1))
    assert of.bounds[0]["dice_positive"] is None
    assert set(of.bounds[0]) == set(SCORES)
