"""Schedules start, peak and end where they say."""

import math

import pytest
import torch
from torch.optim import SGD

from covseg.learn.schedules import cosine, one_cycle, plateau

LR, STEPS = 0.1, 40


def optimizer(lr: float = LR) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(make, **arguments) -> list[float]:
    """The rate of every step of a run, then the one it ends with."""
    chosen = optimizer()
    schedule = make(chosen, total_steps=STEPS, **arguments)
    lrs = []
    for _ in range(STEPS):
        lrs.append(chosen.param_groups[0]["lr"])
        chosen.step()
        schedule.step()
    return [*lrs, chosen.param_groups[0]["lr"]]


@pytest.mark.parametrize("final_lr", [0.0, 0.02])
def test_cosine_goes_from_lr_to_final_lr_along_half_a_cosine(final_lr):
    by_hand = [
        final_lr + (LR - final_lr) * (1 + math.cos(math.pi * n / STEPS)) / 2
        for n in range(STEPS + 1)
    ]
    assert rates(cosine, final_lr=final_lr) == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("warmup", [0.1, 0.3])
def test_one_cycle_peaks_at_lr_after_the_warmup_and_ends_near_0(warmup):
    lrs = rates(one_cycle, warmup=warmup)
    peak = lrs.index(max(lrs))
    assert lrs[peak] == pytest.approx(LR)
    assert peak == pytest.approx(warmup * STEPS, abs=1)
    assert lrs[: peak + 1] == sorted(lrs[: peak + 1])
    assert lrs[peak:-1] == sorted(lrs[peak:-1], reverse=True)
    assert lrs[0] < LR / 10
    assert lrs[STEPS - 1] < LR / 1000  # the rate of the last step


@pytest.mark.parametrize(("steps", "warmup"), [(10, 0.1), (5, 0.2), (2, 0.5)])
def test_one_cycle_whose_way_up_has_no_step_begins_near_its_peak(steps, warmup):
    chosen = SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)
    one_cycle(chosen, total_steps=steps, warmup=warmup)
    assert LR / 2 < chosen.param_groups[0]["lr"] <= LR


def test_one_cycle_peaks_at_each_group_of_the_optimizer():
    chosen = SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.4)])
    one_cycle(chosen, total_steps=STEPS)
    assert [group["max_lr"] for group in chosen.param_groups] == [0.1, 0.4]


def test_plateau_reduces_after_patience_epochs_without_a_smaller_value():
    chosen = optimizer()
    schedule = plateau(chosen, total_steps=STEPS, factor=0.5, patience=2)
    lrs = []
    for rmse in (0.5, 0.4, 0.41, 0.4, 0.42, 0.3, 0.2):
        schedule.step(rmse)
        lrs.append(chosen.param_groups[0]["lr"])
    assert lrs == pytest.approx([LR] * 4 + [LR / 2] * 3)  # the third epoch without a better one


def test_plateau_does_not_mind_how_long_the_run_is():
    assert plateau(optimizer(), total_steps=0).factor == 0.3


@pytest.mark.parametrize(
    ("optimizer", "momentum"),
    [
        (torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], momentum=0.7), 0.7),
        (torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], betas=(0.5, 0.999)), 0.5),
        (torch.optim.RMSprop([torch.nn.Parameter(torch.zeros(1))], momentum=0.0), 0.0),
    ],
)
def test_one_cycle_leaves_the_optimizers_momentum_unless_it_is_given_another(optimizer, momentum):
    def seen() -> float:
        group = optimizer.param_groups[0]
        return group.get("momentum", group.get("betas", (None,))[0])

    for given, low, high in ((None, momentum, momentum), ([0.85, 0.95], 0.85, 0.95)):
        schedule, values = one_cycle(optimizer, 20, momentum=given), []
        for _ in range(20):
            values.append(seen())
            optimizer.step()
            schedule.step() if len(values) < 20 else None
        assert min(values) == pytest.approx(low, abs=0.01)
        assert max(values) == pytest.approx(high, abs=0.01)
