"""A planted shortcut is found, noise is not, and copies do not help."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from covseg.data.division import N_FOLDS
from covseg.measure.shortcuts import Shortcut, shortcut

CLASSES = ("COVID-19", "Non-COVID", "Normal")


def drawn(n: int = 300) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Noise, classes (half, a quarter, a quarter), folds that have their share of each."""
    classes = [CLASSES[max(0, number % 4 - 1)] for number in range(n)]
    return np.random.default_rng(0).normal(size=(n, 6)), classes, np.arange(n) // 4 % N_FOLDS


def test_noise_tells_nothing():
    result = shortcut(*drawn())
    assert abs(result.balanced_accuracy - 1 / 3) < 0.07
    assert result.majority_share == 0.5
    assert result.accuracy < 0.55


def test_a_planted_shortcut_is_found():
    numbers, classes, folds = drawn()
    numbers[:, 2] += 6 * (np.array(classes) == "COVID-19")
    result = shortcut(numbers, classes, folds)
    assert result.classes == CLASSES
    assert result.recall[0] > 0.95
    assert result.balanced_interval[0] > 0.5
    assert result.accuracy_interval[0] > result.majority_share


def test_nothing_is_learnt_from_the_fold_that_is_asked_about():
    _, classes, folds = drawn(120)
    # every image twice, each with numbers of its own that only its copy shares
    numbers = np.repeat(np.eye(120) * 9, 2, axis=0)
    classes = [c for c in classes for _ in range(2)]
    together = np.repeat(folds, 2)
    apart = (together + np.arange(240) % 2) % N_FOLDS
    assert shortcut(numbers, classes, apart).accuracy > 0.9
    assert shortcut(numbers, classes, together).accuracy <= 0.55


def test_scores_are_those_of_sklearn():
    confusion = np.array([[50, 3, 7], [10, 20, 0], [1, 2, 27]])
    result = Shortcut(CLASSES, confusion)
    truth = np.repeat([0, 0, 0, 1, 1, 1, 2, 2, 2], confusion.ravel())
    said = np.repeat([0, 1, 2] * 3, confusion.ravel())
    assert result.n_images == 120
    assert result.accuracy == pytest.approx(accuracy_score(truth, said))
    assert result.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, said))
    low, high = result.balanced_interval
    assert low < result.balanced_accuracy < high
    # the normal approximation
    half = 1.96 * np.sqrt((result.recall * (1 - result.recall) / confusion.sum(1)).sum()) / 3
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_classes_that_are_not_in_every_fold_are_left_out():
    numbers, classes, folds = drawn(100)
    few = [n for n, c in enumerate(classes) if c == "Normal" and folds[n] == 3]
    kept = np.setdiff1d(np.arange(100), few)
    result = shortcut(numbers[kept], [classes[n] for n in kept], folds[kept])
    assert result.classes == CLASSES[:2]
    assert result.n_images == 75
    one = [n for n, c in enumerate(classes) if c == "Normal"]
    assert shortcut(numbers[one], ["Normal"] * len(one), folds[one]) is None
    assert shortcut(numbers[:3], classes[:3], folds[:3]) is None
    assert shortcut(numbers[:0], [], []) is None


def test_the_same_numbers_give_the_same_answer():
    assert np.array_equal(shortcut(*drawn()).confusion, shortcut(*drawn()).confusion)
