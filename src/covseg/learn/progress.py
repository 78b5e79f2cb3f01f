"""How far a run has come: what a checkpoint holds so that a run goes on bit for bit.

Lightning's own restart forgets the place in an epoch, the metrics of half of one and a plateau's
last step; so covseg notes where it was, in every process, and sets a new run to that place itself.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.loops.progress import _ProcessedTracker
from torch import distributed

from covseg.errors import RunError
from covseg.learn.module import SegmentationModule

KEY = "covseg"  # of the checkpoint


@dataclass(frozen=True)
class Progress:
    """A place between two optimizer steps.

    Attributes:
        epoch: epochs that are complete, validation and schedules included.
        batch: batches of the next epoch that are done, of each process.
        step: optimizer steps in all.
        batches: in all, of each process.
        stop: whether training is over, because a callback said so.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    batches: int = 0
    stop: bool = False


def progress_of(checkpoint: dict[str, Any], path: Path) -> Progress:
    """Where a checkpoint was taken.

    Raises:
        RunError: it does not say, or not in this covseg's words.
    """
    try:
        return Progress(**checkpoint[KEY]["progress"])
    except (LookupError, TypeError) as error:
        raise RunError(
            path,
            "does not say how far its run has come",
            "start another run from its weights, with init=<run folder>",
        ) from error


class Halted(BaseException):
    """Training was asked to end, and has saved where it was.

    Args:
        progress: where that is.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self.progress = progress


class KeepProgress(Checkpoint):
    """``last.ckpt``: after every epoch, every few steps, and when training is asked to end.

    Args:
        path: of the file.
        every_n_steps: optimizer steps between two checkpoints within an epoch, None for none.
        whole_epochs: whether a run can go on within an epoch; else only behind one.
        start: where this run begins; the file stands there already.
        asked_to_end: whether this process was; all agree on the batch after which they do.
    """

    def __init__(
        self,
        path: Path,
        every_n_steps: int | None,
        whole_epochs: bool,
        start: Progress,
        asked_to_end: Callable[[], bool],
    ) -> None:
        self._path, self._every, self._saved, self._now = path, every_n_steps, start, start
        self._whole_epochs = whole_epochs
        self._first_batch = {start.epoch: start.batch}
        self._asked_to_end = asked_to_end

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save what the epoch before left: now its validation and its schedules are done, too."""
        self._note(trainer, 0)
        self._keep(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save within an epoch where it is due; the end of an epoch is saved when it is over."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._note(trainer, batch_idx + 1)
        if self._whole_epochs and not trainer.is_last_batch:
            due = self._every is not None and trainer.global_step % self._every == 0
            self._keep(trainer, due)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the end."""
        self._note(trainer, 0)
        self._now = replace(self._now, batch=0, stop=trainer.should_stop)
        self._save(trainer)
        if self._agreed(trainer):
            raise Halted(self._now)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add to every checkpoint where it was taken; called in all processes."""
        assert isinstance(pl_module, SegmentationModule)
        mine = {
            "metrics": [_state(metric) for metric in pl_module.train_metrics],
            "random": torch.get_rng_state(),
        }
        everyones = [mine]
        if trainer.world_size > 1:
            everyones = [mine] * trainer.world_size
            distributed.all_gather_object(everyones, mine)
        # a callback may have said so before trainer.min_epochs lets it be
        should_stop = trainer.should_stop
        checkpoint[KEY] = {
            "progress": asdict(self._now),
            "should_stop": should_stop,
            "processes": everyones,
        }

    def _note(self, trainer: L.Trainer, batch: int) -> None:
        epoch = trainer.current_epoch
        before = self._first_batch.get(epoch, 0)  # a run that goes on has a shorter first epoch
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._now = Progress(epoch, before + batch, trainer.global_step, batches)

    def _agreed(self, trainer: L.Trainer) -> bool:
        asked = self._asked_to_end()
        if trainer.world_size == 1:
            return asked
        return trainer.strategy.reduce_boolean_decision(asked, all=False)

    def _keep(self, trainer: L.Trainer, due: bool = True) -> None:
        ending = self._agreed(trainer)
        if (due or ending) and self._now not in {self._saved, Progress()}:
            self._save(trainer)
        if ending:
            raise Halted(self._now)

    def _save(self, trainer: L.Trainer) -> None:
        self._saved = self._now
        trainer.save_checkpoint(self._path)


class KeepBest(ModelCheckpoint):
    """``best.ckpt``: written over after every validation that is better than all before.

    Args:
        folder: for the file.
        monitor: what is better when it is lower.
    """

    def __init__(self, folder: Path, monitor: str) -> None:
        super().__init__(
            folder,
            filename="best",
            monitor=monitor,
            save_on_train_epoch_end=False,
            auto_insert_metric_name=False,  # the metric's slash would become a folder
            enable_version_counter=False,
        )
        self._path = str(folder / "best.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """The best score, and no path: a run folder may be moved."""
        return {"best": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Know the best score again."""
        if (best := state_dict["best"]) is not None:
            self.best_model_score, self.best_k_models = best, {self._path: best}
            self.best_model_path = self.kth_best_model_path = self._path


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


def _state(metric: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in metric.metric_state.items()}
