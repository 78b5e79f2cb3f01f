"""How long training will be: batches, steps and the first validation, as Lightning counts them."""

import math
from dataclasses import dataclass

import lightning as L


@dataclass(frozen=True)
class Plan:
    """What is known of a training before its first step.

    Attributes:
        trainer: of the run.
        n_batches: that an epoch has in each process.
    """

    trainer: L.Trainer
    n_batches: int

    @property
    def step_sizes(self) -> tuple[int, int]:
        """Batches of each process in an optimizer step, and in the last step of an epoch."""
        full = min(self.trainer.accumulate_grad_batches, self.n_batches)
        return full, self.n_batches % full or full

    @property
    def total_batches(self) -> float:
        """Batches of each process in all epochs; infinite where no limit is set."""
        epochs, steps = self.trainer.max_epochs, self.trainer.max_steps
        by_epochs = math.inf if epochs in {None, -1} else self.n_batches * (epochs or 0)
        if steps == -1:
            return by_epochs
        full, _ = self.step_sizes
        whole_epochs, rest = divmod(steps, math.ceil(self.n_batches / full))
        return min(by_epochs, whole_epochs * self.n_batches + rest * full)

    @property
    def first_validation(self) -> float | None:
        """Batches after which Val is scored for the first time; None where only a clock tells."""
        every = self.trainer.check_val_every_n_epoch
        within = getattr(self.trainer, "val_check_interval", None)  # absent where it is a time
        if not isinstance(within, int | float):
            return None
        if isinstance(within, float):
            within = max(1, int(self.n_batches * within))
        return within if every is None else (every - 1) * self.n_batches + within

    @property
    def validates(self) -> bool:
        """Whether Val is scored before training ends."""
        first = self.first_validation
        return first is None or first <= self.total_batches
