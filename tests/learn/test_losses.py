"""Losses equal their closed forms, and an empty mask costs."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.learn.losses import BCE, BCEDice, Focal, TargetWeights, Tversky

EVERY = [BCE(), BCE(3.0), Focal(), Tversky(), Tversky(0.3, 0.7), BCEDice()]
every_loss = pytest.mark.parametrize(
    "loss", EVERY, ids=["bce", "bce_weighted", "focal", "dice", "tversky", "bce_dice"]
)


def logits_of(*probabilities: float) -> torch.Tensor:
    """One image of one row of pixels, [1, 1, 1, n]."""
    return torch.logit(torch.tensor(probabilities)).reshape(1, 1, 1, -1)


def mask_of(*pixels: int) -> torch.Tensor:
    return torch.tensor(pixels, dtype=torch.uint8).reshape(1, 1, 1, -1)


def random_batch(seed: int = 0, images: int = 4, targets: int = 1, size: int = 8):
    generator = torch.Generator().manual_seed(seed)
    shape = images, targets, size, size
    mask = torch.rand(shape, generator=generator) > 0.6
    return 3 * torch.randn(shape, generator=generator), mask.to(torch.uint8)


def dice_loss(probability: np.ndarray, mask: np.ndarray, smooth: float) -> float:
    """1 - (2 |P T| + 2 s) / (|P| + |T| + 2 s) of one plane, s = smooth x pixels."""
    s = smooth * mask.size
    overlap, both = np.sum(probability * mask), np.sum(probability) + np.sum(mask)
    return 1 - (2 * overlap + 2 * s) / (both + 2 * s)


def test_bce_is_minus_the_mean_log_of_the_probability_given_to_the_truth():
    by_hand = -(math.log(0.8) + math.log(1 - 0.3)) / 2
    assert BCE()(logits_of(0.8, 0.3), mask_of(1, 0)).item() == pytest.approx(by_hand)


def test_the_positive_weight_multiplies_infected_pixels_only():
    by_hand = -(5 * math.log(0.8) + math.log(1 - 0.3)) / 2
    assert BCE(5)(logits_of(0.8, 0.3), mask_of(1, 0)).item() == pytest.approx(by_hand)


def test_focal_discounts_what_is_already_right():
    by_hand = -(0.25 * 0.2**2 * math.log(0.8) + 0.75 * 0.3**2 * math.log(0.7)) / 2
    assert Focal(2, 0.25)(logits_of(0.8, 0.3), mask_of(1, 0)).item() == pytest.approx(by_hand)


def test_focal_without_discount_is_half_of_cross_entropy():
    logits, mask = random_batch()
    torch.testing.assert_close(Focal(0, 0.5)(logits, mask), BCE()(logits, mask) / 2)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_finite_gradient_where_a_pixel_is_surely_right(gamma):
    logits = torch.full((1, 1, 2, 2), 40.0, requires_grad=True)
    Focal(gamma)(logits, torch.ones(1, 1, 2, 2)).backward()
    assert logits.grad.isfinite().all()


def test_tversky_weighs_false_alarms_and_misses():
    tp, fp, fn = 0.8, 0.3, 0.2
    by_hand = 1 - (tp + 0.02) / (tp + 0.3 * fp + 0.7 * fn + 0.02)
    loss = Tversky(0.3, 0.7, smooth=0.01)(logits_of(0.8, 0.3), mask_of(1, 0))
    assert loss.item() == pytest.approx(by_hand)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.sampled_from([1e-4, 1e-3, 0.1]))
def test_even_tversky_is_the_dice_loss_of_an_independent_implementation(seed, smooth):
    logits, mask = random_batch(seed, images=3, targets=2)
    mask[0] = 0
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    by_hand = np.mean(
        [
            dice_loss(probability[n, target], mask[n, target].numpy(), smooth)
            for n in range(3)
            for target in range(2)
        ]
    )
    assert Tversky(smooth=smooth)(logits, mask).item() == pytest.approx(by_hand, abs=1e-5)


def test_bce_dice_is_the_weighted_sum_of_both():
    logits, mask = random_batch()
    both = BCE()(logits, mask) + 0.4 * Tversky(smooth=0.01)(logits, mask)
    torch.testing.assert_close(BCEDice(0.4, 0.01)(logits, mask), both)


@every_loss
def test_a_perfect_prediction_costs_nothing(loss):
    _, mask = random_batch()
    mask[0] = 0
    assert 0 <= loss(40.0 * (2.0 * mask - 1), mask).item() < 1e-5


@every_loss
def test_an_empty_mask_costs_and_pushes_every_probability_down(loss):
    logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
    cost = loss(logits, torch.zeros(1, 1, 16, 16))
    cost.backward()
    assert cost > 0.05
    assert (logits.grad > 0).all()  # a step against it lowers the probability


@every_loss
def test_a_small_false_alarm_on_an_empty_mask_has_a_gradient_that_can_be_felt(loss):
    logits = torch.full((1, 1, 64, 64), -12.0)
    logits[..., :4, :4] = 2.0
    logits.requires_grad_()
    loss(logits, torch.zeros(1, 1, 64, 64)).backward()
    assert logits.grad[..., :4, :4].sum() > 1e-5


@every_loss
@pytest.mark.parametrize("empty", [True, False])
def test_the_same_picture_at_twice_the_size_costs_the_same(loss, empty):
    logits, mask = random_batch(images=2)
    mask = mask * (not empty)
    larger = [x.repeat_interleave(2, -1).repeat_interleave(2, -2) for x in (logits, mask)]
    torch.testing.assert_close(loss(logits, mask), loss(*larger), rtol=1e-4, atol=1e-6)


@every_loss
def test_a_joint_batch_costs_the_mean_of_its_halves(loss):
    logits, mask = random_batch(images=6, targets=2)
    mask[1:3] = 0
    halves = [loss(logits[half], mask[half]) for half in (slice(3), slice(3, 6))]
    torch.testing.assert_close(loss(logits, mask), sum(halves) / 2)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_16_bit_logits_of_a_whole_image_neither_overflow_nor_change_the_cost(loss, dtype):
    generator = torch.Generator().manual_seed(0)
    logits = (20 * torch.randn(1, 1, 512, 512, generator=generator)).to(dtype).requires_grad_()
    mask = torch.ones(1, 1, 512, 512, dtype=torch.uint8)  # 262,144 pixels: float16 ends at 65,504
    mask[..., :100] = 0
    cost = loss(logits, mask)
    cost.backward()
    assert cost.dtype == torch.float32
    assert logits.grad.isfinite().all()
    torch.testing.assert_close(cost, loss(logits.float(), mask))


@every_loss
def test_a_better_probability_costs_less(loss):
    mask = mask_of(1, 1, 0, 0)
    worse, better = logits_of(0.6, 0.6, 0.4, 0.4), logits_of(0.9, 0.6, 0.4, 0.1)
    assert loss(better, mask) < loss(worse, mask)


@every_loss
def test_the_loss_of_weighted_targets_is_the_weighted_mean_of_theirs(loss):
    logits, mask = random_batch(targets=2)
    infection, lung = (loss(logits[:, n : n + 1], mask[:, n : n + 1]) for n in (0, 1))
    weighted = TargetWeights(loss, [1.0, 0.3])(logits, mask)
    torch.testing.assert_close(weighted, (infection + 0.3 * lung) / 1.3)
    torch.testing.assert_close(TargetWeights(loss, [2.0, 2.0])(logits, mask), loss(logits, mask))
