"""How long training will be: batches, steps and the first validation, as Lightning counts them."""

import logging
import math
from dataclasses import dataclass

import lightning as L
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from covseg import devices
from covseg.config.train import Train
from covseg.errors import ConfigError

log = logging.getLogger(__name__)


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


def check_validated(config: Train, plan: Plan) -> None:
    """Refuse what waits for a score on Val that would never be taken.

    Raises:
        ConfigError: training ends before the first validation.
    """
    if (waiting := config.waiting_for_val) and not plan.validates:
        raise ConfigError(
            waiting[0],
            f"waits for a score on Val, and training ends after {plan.total_batches:.0f} "
            f"batches, before the first validation (after {plan.first_validation:.0f})",
            "train longer, or validate earlier (trainer.check_val_every_n_epoch, "
            "trainer.val_check_interval)",
        )


def log_plan(config: Train, network: nn.Module, plan: Plan, n_images: int) -> None:
    """Log what is fitted, the effective batch size, and the device.

    Args:
        config: of the run.
        network: that is fitted.
        plan: of the training.
        n_images: in the fitting parts.
    """
    processes = plan.trainer.world_size
    per_batch = config.data.batch_size * processes
    full, last = (n_batches * per_batch for n_batches in plan.step_sizes)
    used = plan.n_batches * per_batch
    # a remainder smaller than a batch is used in another epoch
    some = f"{used} of " if used <= n_images - per_batch else ""
    n_parameters = sum(p.numel() for p in network.parameters())
    log.info("%s parameters, on %s", f"{n_parameters:,}", devices.described(config.trainer))
    log.info(
        "fitting %s%d images of %s, batches of %d on %d process(es): %d images per step%s",
        some,
        n_images,
        " and ".join(config.protocol.fit),
        config.data.batch_size,
        processes,
        full,
        f", {last} in the last step of an epoch" if last < full else "",
    )
    has_batch_norm = any(isinstance(module, _BatchNorm) for module in network.modules())
    if processes > 1 and has_batch_norm and not config.trainer.sync_batchnorm:
        remedy = ": trainer.sync_batchnorm=true shares them"
        log.info(
            "batch norm has statistics of its own in each process%s",
            remedy if devices.on_gpu(config.trainer) else "",
        )
