"""The progress of a run on a terminal: epoch, values, speed, and the time left of the whole run."""

import math
import time
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from covseg.data.dataset import Sample

_SECONDS = 0.5  # between two updates: reading a metric synchronises the device
_VALUES = {"loss": "train/loss_step", "RMSE": "train/rmse_step", "Val": "val/rmse_per_image"}


class RunProgress(ProgressBar):
    """A bar for the epoch, and one below it for what is being scored; both fit in 80 columns.

    Attributes:
        scored: the split that the next ``trainer.test`` scores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scored = ""
        self._bars: Progress | None = None
        self._epoch: TaskID | None = None
        self._scoring: TaskID | None = None
        self._values = ""  # of the last update
        self._updated, self._images = 0.0, 0
        self._began, self._steps_before = 0.0, 0

    def disable(self) -> None:
        """Nothing is drawn: Lightning calls this in all processes but the first."""
        self._disabled = True

    def enable(self) -> None:
        """Draw."""
        self._disabled = False

    @property
    def is_enabled(self) -> bool:
        """Whether anything is drawn."""
        return not getattr(self, "_disabled", False)

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Start the clock of the run."""
        self._began, self._steps_before = time.monotonic(), trainer.global_step

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin a bar; Lightning counts epochs from 0."""
        last = trainer.max_epochs
        of_all = f"/{last}" if last not in {None, -1} else ""
        title = f"epoch {trainer.current_epoch + 1}{of_all}"
        self._epoch = self._begin(title, trainer.num_training_batches, self._values)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance, at most twice a second."""
        is_last = batch_idx + 1 >= trainer.num_training_batches
        if not self._due(trainer, batch, is_last):
            return
        known = trainer.callback_metrics
        values = [f"{s} {_short(known[name])}" for s, name in _VALUES.items() if name in known]
        self._values = "  ".join([*values, self._speed(), *self._left(trainer)])
        self._show(self._epoch, batch_idx + 1, self._values)

    def on_train_epoch_end(self, *_: Any) -> None:
        """Remove the bar; the line of the epoch takes its place."""
        self._end("_epoch")

    def on_validation_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin a bar for Val."""
        if not trainer.sanity_checking:
            self._scoring = self._begin("scoring Val", sum(trainer.num_val_batches))

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Advance."""
        self._score(trainer, batch, batch_idx, sum(trainer.num_val_batches))

    def on_validation_end(self, *_: Any) -> None:
        """Remove the bar."""
        self._end("_scoring")

    def on_test_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin a bar for what is scored at the end."""
        self._scoring = self._begin(f"scoring {self.scored}", sum(trainer.num_test_batches))

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        """Advance."""
        self._score(trainer, batch, batch_idx, sum(trainer.num_test_batches))

    def on_test_end(self, *_: Any) -> None:
        """Remove the bar."""
        self._end("_scoring")

    def on_exception(self, *_: Any) -> None:
        """Leave a clean terminal."""
        self._stop()

    def teardown(self, *_: Any, **__: Any) -> None:
        """Leave a clean terminal."""
        self._stop()

    def _begin(self, title: str, total: float, values: str = "") -> TaskID | None:
        if not self.is_enabled:
            return None
        if self._bars is None:
            self._bars = Progress(
                TextColumn("{task.description}", style="bold"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[values]}", style="default"),
                console=Console(stderr=True),
                transient=True,
                expand=True,
            )
            self._bars.start()
        self._updated, self._images = time.monotonic(), 0
        return self._bars.add_task(title, total=total, values=values)

    def _score(self, trainer: L.Trainer, batch: Any, batch_idx: int, total: float) -> None:
        if self._scoring is not None and self._due(trainer, batch, batch_idx + 1 >= total):
            self._show(self._scoring, batch_idx + 1, self._speed())

    def _due(self, trainer: L.Trainer, batch: Any, is_last: bool) -> bool:
        """Count the images, and say whether it is time to draw."""
        assert isinstance(batch, Sample)
        self._images += len(batch.row) * trainer.world_size
        return is_last or time.monotonic() - self._updated >= _SECONDS

    def _speed(self) -> str:
        """Images per second since the last time."""
        now = time.monotonic()
        speed = self._images / max(now - self._updated, 1e-6)
        self._updated, self._images = now, 0
        return f"{speed:.0f} img/s" if speed >= 10 else f"{speed:.1f} img/s"

    def _left(self, trainer: L.Trainer) -> list[str]:
        """The time left of the whole run, its validations included."""
        total, done = trainer.estimated_stepping_batches, trainer.global_step
        new = done - self._steps_before
        if math.isinf(total) or not new:
            return []
        seconds = (time.monotonic() - self._began) / new * max(0.0, total - done)
        hours = seconds / 3600
        text = f"{hours:.0f} h" if hours >= 24 else str(timedelta(seconds=round(seconds)))
        return [f"{text} left"]

    def _show(self, task: TaskID | None, done: int, values: str) -> None:
        if self._bars is not None and task is not None:
            self._bars.update(task, completed=done, values=values)

    def _end(self, name: str) -> None:
        task = getattr(self, name)
        if self._bars is not None and task is not None:
            self._bars.remove_task(task)
            setattr(self, name, None)

    def _stop(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = self._epoch = self._scoring = None


def _short(value: torch.Tensor) -> str:
    number = float(value)
    return f"{number:.3f}" if abs(number) < 100 else f"{number:.1e}"
