"""The histograms of every image, against counts at each threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.measure.counts import count
from covseg.measure.histogram import N_BINS
from covseg.measure.image_histograms import ImageHistograms, ProbabilityHistograms

FP, TP = 3, 2  # places in FIELDS


def collected(batches, targets):
    metric = ProbabilityHistograms(targets)
    for probability, truth, row in batches:
        metric.update(probability, truth, row)
    return ImageHistograms.of(*(part.numpy() for part in metric.compute()))


@given(st.integers(0, 10**6), st.integers(1, N_BINS - 1))
@settings(max_examples=40)
def test_the_pixels_above_a_threshold_are_those_of_a_count_at_it(random_case, seed, k):
    probability, truth = random_case(seed, n=6, targets=2, truth_size=(9, 8))
    rows = torch.tensor([7, 3, 11, 0, 5, 2])
    parts = [(probability[:4], truth[:4], rows[:4]), (probability[4:], truth[4:], rows[4:])]
    histograms = collected(parts, 2)
    counts = count(probability, truth, k / N_BINS).numpy()
    order = [3, 0, 5, 1, 2, 4]
    for target in range(2):
        fp, tp = histograms.above(target, [int(rows[place]) for place in order])
        np.testing.assert_array_equal(fp[:, k], counts[order, target, FP])
        np.testing.assert_array_equal(tp[:, k], counts[order, target, TP])


def test_the_batches_and_the_processes_do_not_change_a_single_bit(random_case):
    probability, truth = random_case(1, n=8, targets=2)
    rows = torch.arange(8)
    whole = collected([(probability, truth, rows)], 2)
    singly = [(probability[n : n + 1], truth[n : n + 1], rows[n : n + 1]) for n in range(8)]
    mixed = collected([singly[n] for n in (5, 3, 7, 0, 1, 6, 4, 2)], 2)
    for target in range(2):
        one, other = whole.pooled(target), mixed.pooled(target)
        np.testing.assert_array_equal(one.positive, other.positive)
        np.testing.assert_array_equal(one.negative, other.negative)
        np.testing.assert_array_equal(one.probability_sum, other.probability_sum)


def test_a_cast_of_the_network_leaves_the_counts_as_they_are():
    draw = torch.Generator().manual_seed(2)
    probability = torch.rand(3, 2, 96, 96, generator=draw)
    truth = (torch.rand(3, 2, 96, 96, generator=draw) < 0.3).to(torch.uint8)
    metric = ProbabilityHistograms(2).to(torch.bfloat16)
    metric.update(probability, truth, torch.tensor([0, 1, 2]))
    images, sums = metric.compute()
    assert images[:, 1:].sum() == truth.numel()
    assert images[:, 0].tolist() == [0, 1, 2]
    mean = sums.sum().item() / 2**24 / truth.numel()
    assert mean == pytest.approx(float(probability.double().mean()), abs=1e-7)
