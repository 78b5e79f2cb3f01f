"""The checkpoints of a run: ``last.ckpt`` to go on from, ``best.ckpt`` to report.

Lightning's own restart forgets the place in an epoch, the metrics of half of one and a plateau's
last step; so every checkpoint notes where it was taken, in every process (``restore`` goes there).
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
from covseg.learn.progress import KEY, Halted, Progress


class KeepProgress(Checkpoint):
    """``last.ckpt``: after every epoch, every few steps, and when training is asked to end.

    Args:
        path: of the file.
        every_n_steps: optimizer steps between two checkpoints within an epoch, None for none.
        whole_epochs: whether a run can go on within an epoch; else only behind one.
        start: where this run begins; the file stands there already.
        asked_to_end: whether this process was; all agree on the batch after which they end.
        seconds: of fitting, after which all end as well.
    """

    def __init__(
        self,
        path: Path,
        every_n_steps: int | None,
        whole_epochs: bool,
        start: Progress,
        asked_to_end: Callable[[], bool],
        seconds: float = math.inf,
    ) -> None:
        self._path, self._every, self._saved, self._now = path, every_n_steps, start, start
        self._whole_epochs = whole_epochs
        self._first_batch = {start.epoch: start.batch}
        self._asked_to_end, self._seconds, self._deadline = asked_to_end, seconds, math.inf
        self._hosts: distributed.ProcessGroup | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock; ask in Lightning's place, whose own question waits for the device."""
        self._deadline = time.monotonic() + self._seconds
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

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
        checkpoint[KEY] = {
            "progress": asdict(self._now),
            # a callback may have said so before trainer.min_epochs lets it be
            "should_stop": trainer.should_stop,
            "processes": everyones,
        }

    def _note(self, trainer: L.Trainer, batch: int) -> None:
        epoch = trainer.current_epoch
        before = self._first_batch.get(epoch, 0)  # a run that goes on has a shorter first epoch
        batches = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        self._now = Progress(epoch, before + batch, trainer.global_step, batches)

    def _agreed(self, trainer: L.Trainer) -> bool:
        asked = self._asked_to_end() or time.monotonic() >= self._deadline
        if trainer.world_size == 1:
            return asked
        if self._hosts is None:
            self._hosts = distributed.new_group(backend="gloo")
        answer = torch.tensor(int(asked))  # on the host: asking must not wait for the device
        distributed.all_reduce(answer, distributed.ReduceOp.MAX, self._hosts)
        return bool(answer)

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


def _state(metric: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in metric.metric_state.items()}
