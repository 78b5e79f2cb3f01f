"""How long training will be is what Lightning then does."""

import math
from itertools import accumulate
from typing import Any

import lightning as L
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from covseg.run.verbs.plan import Plan


class Watched(L.LightningModule):
    """Notes the batches of each optimizer step, and those before each validation."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.n_batches, self.validations, self.steps = 0, list[int](), list[int]()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        self.n_batches += 1
        return self.layer(batch[0]).mean()

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        if batch_idx == 0:
            self.validations.append(self.n_batches)

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.steps.append(self.n_batches - sum(self.steps))


def trainer(**arguments: Any) -> L.Trainer:
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    off = dict.fromkeys(quiet, False)
    return L.Trainer(accelerator="cpu", devices=1, num_sanity_val_steps=0, **off, **arguments)


@st.composite
def arguments(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    """Batches of an epoch, and arguments that Lightning takes for so many."""
    n_batches, every = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, None]))
    # only where epochs are not counted may there be more batches between two validations
    within = st.integers(1, 9 if every is None else n_batches)
    found = {
        "max_epochs": draw(st.integers(1, 3)),
        "max_steps": draw(st.integers(-1, 8)),
        "accumulate_grad_batches": draw(st.integers(1, 4)),
        "check_val_every_n_epoch": every,
        "val_check_interval": draw(
            within if every is None else st.sampled_from([1.0, 0.5]) | within
        ),
    }
    return n_batches, found


@settings(max_examples=25, deadline=None)
@given(arguments())
@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's, of so few data and workers
def test_batches_steps_and_the_first_validation_are_those_of_a_real_training(drawn):
    n_batches, limits = drawn
    module, real = Watched(), trainer(**limits)
    data = TensorDataset(torch.ones(n_batches, 1))
    real.fit(module, DataLoader(data), DataLoader(TensorDataset(torch.ones(1, 1))))
    plan = Plan(trainer(**limits), n_batches)
    assert plan.total_batches == module.n_batches == sum(module.steps)
    assert plan.validates == bool(module.validations)
    if module.validations:
        assert plan.first_validation == module.validations[0]
    else:
        assert plan.first_validation > module.n_batches
    full, last = plan.step_sizes
    ends = list(accumulate(module.steps))
    expected = [last if end % n_batches == 0 else full for end in ends]
    assert module.steps == expected


def test_without_a_limit_there_is_no_end():
    plan = Plan(trainer(max_epochs=-1, val_check_interval=3), 4)
    assert plan.total_batches == math.inf
    assert plan.validates


def test_steps_alone_may_be_the_limit():
    assert (
        Plan(trainer(max_epochs=-1, max_steps=5, accumulate_grad_batches=2), 3).total_batches == 8
    )


def test_where_a_clock_tells_when_to_validate_it_may_be_in_time():
    plan = Plan(trainer(max_epochs=1, val_check_interval="00:00:01:00"), 4)
    assert plan.first_validation is None
    assert plan.validates
