"""Severity against a computation by hand, image by image."""

from dataclasses import replace

import numpy as np
import pytest

from covseg.measure.counts import FIELDS
from covseg.measure.records import Records
from covseg.measure.severity import Severity


def records(infection, lung):
    """Truth and predicted pixels of both targets of each image -> records."""
    n = len(infection)
    values = np.zeros((n, 2, len(FIELDS)))
    for place, of_target in enumerate((infection, lung)):
        truth, predicted = np.array(of_target, float).T
        tp = np.minimum(truth, predicted)
        values[:, place, 1:5] = np.stack([truth, tp, predicted - tp, truth - tp], axis=1)
    names = np.repeat([f"{k:03}.png" for k in range(n)], 2)
    classes = np.repeat(np.where(np.array(infection)[:, 0] > 0, "COVID-19", "Normal"), 2)
    targets = np.tile(["infection", "lung"], n)
    return Records(names, np.repeat("Test", 2 * n), classes, targets, values.reshape(2 * n, -1))


def test_errors_are_those_of_a_computation_by_hand():
    infection = [(50, 30), (20, 40), (0, 0), (0, 10), (80, 80)]
    lung = [(100, 100), (100, 80), (100, 100), (100, 50), (100, 100)]
    found = Severity.of(records(infection, lung)).summary()
    errors = np.array([0.3 - 0.5, 40 / 80 - 0.2, 0.0, 10 / 50, 0.0])
    assert found["n_undefined"] == 0
    for key, chosen in (("all", [0, 1, 2, 3, 4]), ("positive", [0, 1, 4])):
        of = found[key]
        assert of["n_images"] == len(chosen)
        assert of["mean_absolute_error"]["value"] == pytest.approx(np.abs(errors[chosen]).mean())
        assert of["mean_error"]["value"] == pytest.approx(errors[chosen].mean())
        true = np.array([0.5, 0.2, 0, 0, 0.8])[chosen].mean()
        assert of["mean_share"] == of["predict_nothing"] == pytest.approx(true)
        for name in ("mean_absolute_error", "mean_error"):
            assert of[name]["low"] <= of[name]["value"] <= of[name]["high"]


def test_an_image_without_a_lung_is_counted_and_left_out():
    found = Severity.of(
        records([(50, 30), (10, 5), (0, 0)], [(100, 0), (0, 50), (100, 50)])
    ).summary()
    assert found["n_undefined"] == 2
    assert found["all"]["n_images"] == 1
    assert found["positive"] is None


def test_the_interval_is_that_of_a_bootstrap_by_hand():
    draw = np.random.default_rng(1)
    truth = draw.integers(1, 60, 50)
    predicted = np.clip(truth + draw.integers(-10, 11, 50), 0, 100)
    found = Severity.of(records([*zip(truth, predicted)], [(100, 100)] * 50)).summary()  # noqa: B905
    errors = np.abs(predicted - truth) / 100
    means = draw.choice(errors, (20_000, 50)).mean(axis=1)
    entry = found["positive"]["mean_absolute_error"]
    bounds = np.percentile(means, [2.5, 97.5])
    assert (entry["low"], entry["high"]) == pytest.approx(bounds, abs=0.004)
    # every image twice, known as copies: as if each were there once
    twice = records([*zip(np.repeat(truth, 2), np.repeat(predicted, 2))], [(100, 100)] * 100)  # noqa: B905
    families = {key: place // 4 for place, key in enumerate(twice.keys)}
    again = Severity.of(twice).summary(families)["positive"]["mean_absolute_error"]
    assert (again["low"], again["high"]) == pytest.approx((entry["low"], entry["high"]))


@pytest.mark.parametrize("targets", [("effusion", "nodule"), ("lung", "lung"), ("effusion",)])
def test_without_the_lungs_or_a_lesion_there_is_none(targets):
    of_lungs = records([(1, 2)] * 3, [(4, 5)] * 3)
    named = np.where(of_lungs.target == "lung", targets[-1], targets[0])
    assert Severity.of(replace(of_lungs, target=named)) is None


def test_of_another_lesion_it_is_the_same():
    both = records([(1, 2), (3, 1)], [(4, 5), (6, 3)])
    named = np.where(both.target == "lung", "lung", "effusion")
    found, expected = Severity.of(replace(both, target=named)), Severity.of(both)
    assert found.summary() == expected.summary()
