"""Sets a new Trainer to the progress of a checkpoint: training continues bit for bit."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.loops.progress import _ProcessedTracker

from covseg.errors import RunError
from covseg.learn.module import SegmentationModule
from covseg.learn.progress import KEY, Progress


def restore_progress(checkpoint: dict[str, Any], progress: Progress, trainer: L.Trainer) -> None:
    """Set a Trainer that has not started to the progress of a checkpoint.

    Args:
        checkpoint: of the same configuration and number of processes; its content is trusted.
        progress: stored in ``checkpoint``.
        trainer: before ``fit``.
    """
    loop = trainer.fit_loop
    for counts in (loop.epoch_progress.current, loop.epoch_progress.total):
        assert isinstance(counts, _ProcessedTracker)
        counts.ready = counts.started = counts.processed = counts.completed = progress.epoch
    steps = loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
    steps.ready = steps.completed = progress.step
    batches = loop.epoch_loop.batch_progress.total  # decides when to validate
    batches.ready = batches.completed = progress.batches
    loop.epoch_loop._batches_that_stepped = progress.step
    trainer.callbacks.append(_RestoreState(checkpoint, progress))  # type: ignore[attr-defined]


class _RestoreState(L.Callback):
    """Loads the states of a checkpoint once the objects that they belong to exist."""

    def __init__(self, checkpoint: dict[str, Any], progress: Progress) -> None:
        self._checkpoint, self._progress = checkpoint, progress

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Load optimizer, schedule, callbacks, precision, metrics and random number generator."""
        assert isinstance(pl_module, SegmentationModule)
        stored, schedulers = dict(self._checkpoint), trainer.lr_scheduler_configs
        if len(schedulers) != len(stored["lr_schedulers"]):
            raise RunError(
                "resume",
                "does not support callbacks that replace the scheduler (StochasticWeightAveraging)",
                "start a new run, without resume",
            )
        # SaveBest had another name when older checkpoints were written
        states = {k.replace("KeepBest", "SaveBest"): v for k, v in stored["callbacks"].items()}
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            callback.on_load_checkpoint(trainer, pl_module, stored)
            if callback.state_key in states:
                callback.load_state_dict(states[callback.state_key])
        trainer.strategy.load_optimizer_state_dict(stored)
        for config, state in zip(schedulers, stored["lr_schedulers"], strict=True):
            config.scheduler.load_state_dict(state)
        precision = trainer.precision_plugin
        if type(precision).__qualname__ in stored:
            precision.load_state_dict(stored[type(precision).__qualname__])
        own = stored[KEY]["processes"][trainer.global_rank]
        for metric, state in zip(pl_module.train_metrics, own["metrics"], strict=True):
            for name, value in state.items():
                setattr(metric, name, value.to(pl_module.device))
        torch.set_rng_state(own["random"])
        trainer.should_stop = stored[KEY]["should_stop"]
        loaders: Any = trainer  # the attribute is missing in Lightning's types
        self._reload_every_n_epochs = loaders.reload_dataloaders_every_n_epochs
        if self._progress.batch:  # the loader of the first epoch has only its remaining batches
            loaders.reload_dataloaders_every_n_epochs = 1

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop reloading after the first epoch."""
        if trainer.current_epoch > self._progress.epoch:
            loaders: Any = trainer
            loaders.reload_dataloaders_every_n_epochs = self._reload_every_n_epochs
