"""A new Trainer, set to the place of a checkpoint: it goes on bit for bit."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.loops.progress import _ProcessedTracker

from covseg.errors import RunError
from covseg.learn.module import SegmentationModule
from covseg.learn.progress import KEY, Progress


def go_on_from(checkpoint: dict[str, Any], now: Progress, trainer: L.Trainer) -> None:
    """Set a Trainer that has not begun to the place of a checkpoint.

    Args:
        checkpoint: of the same configuration and number of processes, trusted.
        now: where it was taken.
        trainer: about to fit.
    """
    loop = trainer.fit_loop
    for counts in (loop.epoch_progress.current, loop.epoch_progress.total):
        assert isinstance(counts, _ProcessedTracker)
        counts.ready = counts.started = counts.processed = counts.completed = now.epoch
    steps = loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
    steps.ready = steps.completed = now.step
    batches = loop.epoch_loop.batch_progress.total  # says behind which batch validation comes
    batches.ready = batches.completed = now.batches
    loop.epoch_loop._batches_that_stepped = now.step
    trainer.callbacks.append(_Restore(checkpoint, now))  # type: ignore[attr-defined]


class _Restore(L.Callback):
    """Hands a checkpoint's states out, once everything that has one is there."""

    def __init__(self, checkpoint: dict[str, Any], now: Progress) -> None:
        self._checkpoint, self._now = checkpoint, now

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Optimizer, schedule, callbacks, precision, metrics and random numbers."""
        assert isinstance(pl_module, SegmentationModule)
        stored, plans = dict(self._checkpoint), trainer.lr_scheduler_configs
        if len(plans) != len(stored["lr_schedulers"]):
            raise RunError(
                "resume",
                "does not work with a callback that changes schedules (StochasticWeightAveraging)",
                "start the run anew, without resume",
            )
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_load_checkpoint(trainer, pl_module, stored)
            if callback.state_key in stored["callbacks"]:
                callback.load_state_dict(stored["callbacks"][callback.state_key])
        trainer.strategy.load_optimizer_state_dict(stored)
        for plan, state in zip(plans, stored["lr_schedulers"], strict=True):
            plan.scheduler.load_state_dict(state)
        precision = trainer.precision_plugin
        if type(precision).__qualname__ in stored:
            precision.load_state_dict(stored[type(precision).__qualname__])
        mine = stored[KEY]["processes"][trainer.global_rank]
        for metric, state in zip(pl_module.train_metrics, mine["metrics"], strict=True):
            for name, value in state.items():
                setattr(metric, name, value.to(pl_module.device))
        torch.set_rng_state(mine["random"])
        trainer.should_stop = stored[KEY]["should_stop"]
        data: Any = trainer  # Lightning adds its settings of loaders unseen
        self._reloads = data.reload_dataloaders_every_n_epochs
        if self._now.batch:  # the loader of the first epoch holds what is left of it
            data.reload_dataloaders_every_n_epochs = 1

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """From the second epoch on everything is as ever."""
        if trainer.current_epoch > self._now.epoch:
            data: Any = trainer
            data.reload_dataloaders_every_n_epochs = self._reloads
