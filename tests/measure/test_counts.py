"""A batch becomes exact counts, taken at the size of the truth and in enough digits."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, mean_absolute_error, mean_squared_error

from covseg.measure.counts import FIELDS, Counts, count, to_truth_size

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
modest = settings(max_examples=30, deadline=None)


def bilinear(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Between the centres of pixels (align_corners=False), one axis after the other, in float64."""
    plane = plane.astype(np.float64)
    for axis, new in enumerate(size):
        old = plane.shape[axis]
        centres = (np.arange(new) + 0.5) * old / new - 0.5
        plane = np.apply_along_axis(
            lambda line, at=centres, n=old: np.interp(at, np.arange(n), line), axis, plane
        )
    return plane


def test_counts_are_the_sums_one_can_do_by_hand() -> None:
    probability = torch.tensor([[[[0.9, 0.5], [0.2, 0.7]]]])
    truth = torch.tensor([[[[1, 1], [0, 0]]]])
    # predicted: 0.9 (true), 0.7 (false); 0.5 is not above the threshold, so its pixel is missed
    absolute, squared = 0.1 + 0.5 + 0.2 + 0.7, 0.01 + 0.25 + 0.04 + 0.49
    assert count(probability, truth, 0.5)[0, 0].tolist() == pytest.approx(
        [4, 2, 1, 1, 1, absolute, squared], rel=1e-6
    )
    assert ",".join(FIELDS) == "n_pixels,truth_pixels,tp,fp,fn,absolute_error,squared_error"


@modest
@given(seed=seeds, targets=st.integers(1, 2), threshold=st.sampled_from([0.25, 0.5, 0.8]))
def test_every_image_and_target_agrees_with_scikit_learn(
    random_case: Callable, seed: int, targets: int, threshold: float
) -> None:
    probability, truth = random_case(seed, 4, targets)
    counts = count(probability, truth, threshold)
    assert counts.shape == (4, targets, len(FIELDS))
    assert counts.dtype == torch.float64
    for counted, p, t in zip(
        counts.flatten(0, 1).numpy(),
        probability.flatten(0, 1).flatten(1).numpy(),
        truth.flatten(0, 1).flatten(1).numpy(),
        strict=True,
    ):
        (_, fp), (fn, tp) = confusion_matrix(t, p > np.float32(threshold), labels=[0, 1])
        assert counted[:5].tolist() == [t.size, t.sum(), tp, fp, fn]
        assert counted[5] == pytest.approx(t.size * mean_absolute_error(t, p), rel=1e-5)
        assert counted[6] == pytest.approx(t.size * mean_squared_error(t, p), rel=1e-5)


@modest
@given(seed=seeds, size=sizes, truth_size=sizes)
def test_the_probability_is_resized_bilinearly_and_the_truth_never(
    random_case: Callable, seed: int, size: tuple[int, int], truth_size: tuple[int, int]
) -> None:
    probability, truth = random_case(seed, 1, 1, size, truth_size)
    expected, t = bilinear(probability[0, 0].numpy(), truth_size), truth[0, 0].numpy() == 1
    # rounding may decide a tie either way, except where nothing had to be resized
    assume(size == truth_size or np.abs(expected - 0.5).min() > 1e-5)
    counts = count(probability, truth, 0.5)[0, 0].tolist()
    predicted = expected > 0.5
    exact = [t.size, t.sum(), (predicted & t).sum(), (predicted & ~t).sum(), (~predicted & t).sum()]
    assert counts[:5] == exact
    assert counts[5] == pytest.approx(np.abs(expected - t).sum(), rel=1e-5, abs=1e-6)
    assert counts[6] == pytest.approx(np.square(expected - t).sum(), rel=1e-5, abs=1e-6)


def test_a_probability_of_the_right_size_is_handed_through() -> None:
    probability = torch.rand(1, 1, 3, 5)
    assert to_truth_size(probability, torch.zeros(1, 1, 3, 5)) is probability
    assert to_truth_size(probability, torch.zeros(1, 1, 6, 4)).shape == (1, 1, 6, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_counted_in_single_precision(dtype: torch.dtype) -> None:
    probability = torch.rand(2, 1, 9, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
    truth = torch.zeros(2, 1, 18, 18, dtype=torch.uint8)
    assert torch.equal(count(probability, truth, 0.5), count(probability.float(), truth, 0.5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_an_image_has_more_pixels_than_half_precision_can_count(dtype: torch.dtype) -> None:
    counts = count(torch.zeros(1, 1, 257, 300, dtype=dtype), torch.ones(1, 1, 257, 300), 0.5)
    assert counts[0, 0].tolist() == [77100, 77100, 0, 0, 77100, 77100, 77100]


def test_errors_are_summed_in_double_precision() -> None:
    probability = torch.rand(1, 1, 400, 400, generator=torch.Generator().manual_seed(0))
    counts = count(probability, torch.zeros(1, 1, 400, 400), 0.5)[0, 0].tolist()
    exact = probability.flatten().double().tolist()
    assert counts[5] == pytest.approx(math.fsum(exact), rel=1e-13)
    assert counts[6] == pytest.approx(math.fsum(p * p for p in exact), rel=1e-13)


@modest
@given(seed=seeds)
def test_an_image_is_counted_alike_alone_and_anywhere_in_a_batch(
    random_case: Callable, seed: int
) -> None:
    probability, truth = random_case(seed, 6, 2, (5, 4), (8, 9))
    together = count(probability, truth, 0.5)
    alone = [count(p[None], t[None], 0.5) for p, t in zip(probability, truth, strict=True)]
    order = torch.from_numpy(np.random.default_rng(seed).permutation(6))
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(together[order], count(probability[order], truth[order], 0.5))


def test_each_target_may_have_its_own_threshold(random_case: Callable) -> None:
    probability, truth = random_case(3, 4, 2)
    counts = count(probability, truth, torch.tensor([0.2, 0.7])[:, None, None])
    assert torch.equal(counts[:, :1], count(probability[:, :1], truth[:, :1], 0.2))
    assert torch.equal(counts[:, 1:], count(probability[:, 1:], truth[:, 1:], 0.7))


def test_counts_name_the_columns_and_call_an_image_infected_from_enough_pixels_on() -> None:
    counts = Counts.of(np.array([[16, 4, 3, 2, 1, 0.5, 0.25], [16, 0, 0, 4, 0, 1, 1]]), 5)
    assert [getattr(counts, field)[0] for field in FIELDS] == [16, 4, 3, 2, 1, 0.5, 0.25]
    assert counts.positive.tolist() == [True, False]
    assert counts.predicted_pixels.tolist() == [5, 4]
    assert counts.called_infected.tolist() == [True, False]
