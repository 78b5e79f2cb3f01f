"""The histogram of probabilities against scikit-learn, and its own file."""

import csv

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_score, recall_score

from covseg.measure.counts import to_truth_size
from covseg.measure.histogram import N_BINS, write_histogram
from covseg.measure.image_histograms import ImageHistograms, ProbabilityHistograms


def drawn(seed, batch=3, targets=2, side=12, truth_side=24):
    random = torch.Generator().manual_seed(seed)
    probability = torch.rand(batch, targets, side, side, generator=random)
    # many at the very edges of bins, where > and >= differ
    edges = (probability * N_BINS).round() / N_BINS
    probability = torch.where(
        torch.rand(probability.shape, generator=random) < 0.5, edges, probability
    )
    truth = (torch.rand(batch, targets, truth_side, truth_side, generator=random) < 0.3).to(
        torch.uint8
    )
    return probability, truth


def collected(probability, truth):
    metric = ProbabilityHistograms(truth.shape[1])
    metric.update(probability, truth, torch.arange(len(truth)))
    return ImageHistograms.of(*(part.numpy() for part in metric.compute()))


def of(probability, truth):
    histograms = collected(probability, truth)
    return [histograms.pooled(target) for target in range(truth.shape[1])]


@given(st.integers(0, 10**6), st.integers(1, N_BINS - 1))
@settings(max_examples=40)
def test_precision_and_recall_are_those_of_scikit_learn_at_every_threshold(seed, k):
    probability, truth = drawn(seed)
    for target, histogram in enumerate(of(probability, truth)):
        at_truth = to_truth_size(probability, truth)[:, target].flatten()
        predicted, true = (at_truth > k / N_BINS).numpy(), truth[:, target].flatten().numpy()
        assert histogram.thresholds[k] == k / N_BINS
        assert histogram.precision[k] == pytest.approx(
            precision_score(true, predicted, zero_division=1)
        )
        assert histogram.recall[k] == pytest.approx(recall_score(true, predicted))
        assert histogram.tp[k] + histogram.fn[k] == true.sum()
        assert histogram.fp[k] + histogram.tn[k] == (1 - true).sum()
        assert histogram.tp[k] + histogram.fp[k] == predicted.sum()
        # the end of the curve at which every pixel is predicted, also one with a probability of 0
        assert histogram.recall[0] == 1
        assert histogram.precision[0] == pytest.approx(true.mean())


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_the_reliability_curve_is_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    # no value at an edge of a bin, to which scikit-learn counts it the other way
    probability = torch.tensor(random.uniform(size=(2, 1, 16, 16)), dtype=torch.float32)
    truth = torch.tensor(random.uniform(size=probability.shape) < probability.numpy() ** 2)
    (histogram,) = of(probability, truth.to(torch.uint8))
    shares, means = calibration_curve(
        truth.flatten().numpy(), probability.flatten().numpy(), n_bins=10
    )
    predicted, true, pixels = histogram.reliability().T
    np.testing.assert_allclose(true, shares)
    np.testing.assert_allclose(predicted, means, rtol=1e-5)
    assert pixels.sum() == truth.numel()
    by_hand = sum(n * abs(p - t) for p, t, n in histogram.reliability()) / truth.numel()
    assert histogram.calibration_error == pytest.approx(by_hand)


def test_without_a_positive_pixel_recall_is_undefined_and_nothing_fails():
    probability, _ = drawn(3)
    histogram = of(probability, torch.zeros(3, 2, 24, 24, dtype=torch.uint8))[0]
    assert np.isnan(histogram.recall).all()
    assert histogram.precision[0] == 0
    assert histogram.precision[-1] in {0, 1}


def test_the_file_holds_the_histogram_of_each_target(tmp_path):
    probability, truth = drawn(4)
    histograms = dict(zip(("infection", "lung"), of(probability, truth), strict=True))
    write_histogram(histograms, tmp_path / "histogram.csv")
    with (tmp_path / "histogram.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * N_BINS
    lung = [row for row in rows if row["target"] == "lung"]
    assert sum(int(row["positive"]) for row in lung) == truth[:, 1].sum()
    assert [float(row["probability_sum"]) for row in lung] == list(
        histograms["lung"].probability_sum
    )
    assert (rows[7]["above"], rows[7]["up_to"]) == ("0.07", "0.08")
