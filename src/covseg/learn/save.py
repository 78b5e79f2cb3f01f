"""The checkpoints of a run: ``last.ckpt`` to resume from, ``best.ckpt`` to report.

When Lightning resumes within an epoch, it loses the position in the epoch, the state of the metrics
and the last step of a plateau schedule. Every checkpoint therefore stores the progress of the run
and the state of each process; ``restore`` reads them back.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from torch import distributed

from covseg.learn.module import SegmentationModule
from covseg.learn.progress import KEY, Progress, TrainingPaused


class SaveProgress(Checkpoint):
    """Saves ``last.ckpt`` after every epoch, every few steps, and when training is asked to stop.

    All processes stop after the same batch, as soon as one of them is asked to or out of time.

    Args:
        path: path of the checkpoint.
        every_n_steps: optimizer steps between two checkpoints within an epoch; None: no checkpoint
            within an epoch.
        whole_epochs: whether training can resume within an epoch, or only after one.
        start: the progress at which this run starts, which ``path`` already holds.
        stop_requested: whether this process was asked to stop.
        seconds: time limit for training.

    Raises:
        TrainingPaused: training was stopped, and its progress is saved.
    """

    def __init__(
        self,
        path: Path,
        every_n_steps: int | None,
        whole_epochs: bool,
        start: Progress,
        stop_requested: Callable[[], bool],
        seconds: float = math.inf,
    ) -> None:
        self._path, self._every_n_steps = path, every_n_steps
        self._saved, self._progress = start, start
        self._whole_epochs = whole_epochs
        self._first_batch = {start.epoch: start.batch}
        self._stop_requested, self._seconds, self._deadline = stop_requested, seconds, math.inf
        self._cpu_group: distributed.ProcessGroup | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and disable Lightning's own check, which synchronises the device."""
        self._deadline = time.monotonic() + self._seconds
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the previous epoch: its validation and its scheduler step are complete by now."""
        self._update(trainer, 0)
        self._save_or_pause(trainer)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save within an epoch; its last batch is saved when the next epoch starts."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._update(trainer, batch_idx + 1)
        if self._whole_epochs and not trainer.is_last_batch:
            every = self._every_n_steps
            self._save_or_pause(trainer, due=every is not None and trainer.global_step % every == 0)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the last epoch."""
        self._update(trainer, 0)
        self._progress = replace(self._progress, batch=0, stop=trainer.should_stop)
        self._save(trainer)
        if self._must_pause(trainer):
            raise TrainingPaused(self._progress)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the progress and the state of each process; called in all processes."""
        assert isinstance(pl_module, SegmentationModule)
        own = {
            "metrics": [_state(metric) for metric in pl_module.train_metrics],
            "random": torch.get_rng_state(),
        }
        states = [own] * trainer.world_size
        if trainer.world_size > 1:
            distributed.all_gather_object(states, own)
        checkpoint[KEY] = {
            "progress": asdict(self._progress),
            # a callback may have set it before trainer.min_epochs allows training to stop
            "should_stop": trainer.should_stop,
            "processes": states,
        }

    def _update(self, trainer: L.Trainer, batch: int) -> None:
        epoch = trainer.current_epoch
        done_before = self._first_batch.get(epoch, 0)  # in the epoch that a resumed run starts in
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._progress = Progress(epoch, done_before + batch, trainer.global_step, batches)

    def _must_pause(self, trainer: L.Trainer) -> bool:
        """Whether any process has to stop; the same in all of them."""
        own = self._stop_requested() or time.monotonic() >= self._deadline
        if trainer.world_size == 1:
            return own
        if self._cpu_group is None:
            self._cpu_group = distributed.new_group(backend="gloo")
        any_process = torch.tensor(int(own))  # on the CPU, so as not to synchronise the device
        distributed.all_reduce(any_process, distributed.ReduceOp.MAX, self._cpu_group)
        return bool(any_process)

    def _save_or_pause(self, trainer: L.Trainer, due: bool = True) -> None:
        must_pause = self._must_pause(trainer)
        if (due or must_pause) and self._progress not in {self._saved, Progress()}:
            self._save(trainer)
        if must_pause:
            raise TrainingPaused(self._progress)

    def _save(self, trainer: L.Trainer) -> None:
        self._saved = self._progress
        trainer.save_checkpoint(self._path)


class SaveBest(ModelCheckpoint):
    """Saves ``best.ckpt`` after every validation with a better ``monitor`` than all before.

    Args:
        folder: of the checkpoints.
        monitor: logged name of a score.
        low_is_good: whether a lower one is better.
    """

    def __init__(self, folder: Path, monitor: str, low_is_good: bool = True) -> None:
        super().__init__(
            folder,
            filename="best",
            monitor=monitor,
            mode="min" if low_is_good else "max",
            save_on_train_epoch_end=False,
            auto_insert_metric_name=False,  # the metric's slash would become a folder
            enable_version_counter=False,
        )
        self._path = str(folder / "best.ckpt")

    def state_dict(self) -> dict[str, Any]:
        """The best score, without Lightning's paths: a run folder may be moved."""
        return {"best": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score."""
        if (best := state_dict["best"]) is not None:
            self.best_model_score, self.best_k_models = best, {self._path: best}
            self.best_model_path = self.kth_best_model_path = self._path


def _state(metric: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in metric.metric_state.items()}
