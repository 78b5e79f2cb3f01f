"""The number of pixels that calls an image infected, against a search over every number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covseg.measure.counts import FIELDS, Counts
from covseg.measure.operating_point import choose_min_pixels, choose_threshold
from covseg.measure.thresholds import OverThresholds


def counts_of(images: list[tuple[bool, int]]) -> Counts:
    """Images by whether they are positive, and their predicted pixels."""
    positive, predicted = np.array(images).T
    values = np.zeros((len(images), len(FIELDS)))
    values[:, FIELDS.index("truth_pixels")] = positive
    values[:, FIELDS.index("fp")] = predicted
    return Counts.of(values)


def youden(images: list[tuple[bool, int]], least: int) -> float:
    called = {True: [], False: []}
    for positive, predicted in images:
        called[positive].append(predicted >= least)
    return float(np.mean(called[True]) - np.mean(called[False]))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2))
def test_no_other_number_has_a_larger_sensitivity_plus_specificity(images):
    chosen = choose_min_pixels(counts_of(images))
    assert chosen >= 1
    if len({positive for positive, _ in images}) < 2:
        assert chosen == 1
        return
    best = max(youden(images, least) for least in range(1, 12))
    assert youden(images, chosen) >= best - 1e-12


def test_the_smallest_of_equal_numbers_is_chosen():
    assert choose_min_pixels(counts_of([(True, 7), (True, 5), (False, 0)])) == 1
    assert choose_min_pixels(counts_of([(True, 7), (True, 5), (False, 3)])) == 4
    assert choose_min_pixels(counts_of([(False, 7), (True, 0)])) == 8


def test_without_any_true_positive_the_threshold_is_a_half():
    steps = [n / 100 for n in range(5, 96)]
    assert choose_threshold(OverThresholds(steps, {"dice_pooled": [None] * len(steps)})) == 0.5
    rising = [n / 1000 for n in range(len(steps))]
    assert choose_threshold(OverThresholds(steps, {"dice_pooled": rising})) == pytest.approx(0.95)
