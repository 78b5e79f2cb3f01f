"""Each way of averaging, against the scores of the summary, scikit-learn and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

from covseg.measure.conventions import CONVENTIONS
from covseg.measure.counts import Counts
from covseg.measure.scores import SCORES

SIDE = 16  # pixels of an image


def images(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction, bool [n, SIDE]; a third of each is empty."""
    generator = np.random.default_rng(seed)
    truth, predicted = generator.random((2, n, SIDE)) < generator.random((2, n, 1))
    truth[generator.random(n) < 0.3] = False
    predicted[generator.random(n) < 0.3] = False
    return truth, predicted


def counts_of(truth: np.ndarray, predicted: np.ndarray) -> Counts:
    tp = (truth & predicted).sum(1)
    rows = [np.full(len(truth), SIDE), truth.sum(1), tp, predicted.sum(1) - tp, truth.sum(1) - tp]
    return Counts.of(np.stack([*rows, np.zeros(len(truth)), np.zeros(len(truth))], axis=1))


def equal(one: float, other: float | None) -> bool:
    return math.isnan(one) if other is None else one == pytest.approx(other, abs=1e-12)


SAME = {"positive": "positive", "all, empty = 1": "all", "pooled": "pooled"}


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_three_of_them_are_scores_of_the_summary(seed, n):
    counts = counts_of(*images(seed, n))
    for name, score in SAME.items():
        assert equal(CONVENTIONS[name].dice(counts), SCORES[f"dice_{score}"](counts))
        assert equal(CONVENTIONS[name].iou(counts), SCORES[f"iou_{score}"](counts))


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_the_others_are_what_scikit_learn_gives(seed, n):
    truth, predicted = images(seed, n)
    counts = counts_of(truth, predicted)
    both = {"y_true": truth.ravel(), "y_pred": predicted.ravel()}
    way = CONVENTIONS["with background, pooled"]
    either, neither = truth | predicted, ~truth | ~predicted
    if either.any() and neither.any():  # else scikit-learn takes 0 for an undefined score
        classes = {"labels": [False, True], "average": "macro"}
        assert equal(way.dice(counts), f1_score(**both, **classes))
        assert equal(way.iou(counts), jaccard_score(**both, **classes))
    for name, score in (("dice", f1_score), ("iou", jaccard_score)):
        of_each = [score(t, p, zero_division=0) for t, p in zip(truth, predicted, strict=True)]
        assert equal(getattr(CONVENTIONS["all, empty = 0"], name)(counts), np.mean(of_each))
        for size in (8, 16, 32):
            of_batches = [
                score(truth[k : k + size].ravel(), predicted[k : k + size].ravel(), zero_division=1)
                for k in range(0, n, size)
            ]
            way = CONVENTIONS[f"batches of {size}"]
            assert equal(getattr(way, name)(counts), np.mean(of_batches))
