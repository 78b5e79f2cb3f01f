"""How fast a run trains, and how much of that time it waits for data."""

import time
from typing import Any

import lightning as L

from covseg.data.dataset import Sample


class Throughput(L.Callback):
    """Measures training steps, without validation and without the first step of this command.

    The first step may compile the network. A step begins when its batch is on the device; before
    that the process waits for data, which with ``data.num_workers=0`` it reads itself. A GPU may
    still be busy with earlier steps in the meantime.

    It has to be the last callback: the time that the others take after a step, such as that of
    writing a checkpoint, is then a part of the step, and not of the waiting.

    Attributes:
        images: that were fitted, by all processes.
        seconds: that their steps took, including the waiting.
        waiting: seconds of waiting for data.
    """

    def __init__(self) -> None:
        self.images, self.seconds, self.waiting = 0, 0.0, 0.0
        self._since: float | None = None  # the end of the step before; None if nothing is measured

    @property
    def values(self) -> dict[str, float]:
        """Images per second and the share of waiting; empty after fewer than two steps."""
        if not self.images:
            return {}
        share = round(self.waiting / self.seconds, 3)
        return {
            "images_per_second": round(self.images / self.seconds, 1),
            "share_waiting_for_data": share,
        }

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Continue after the validation of the last epoch."""
        self._resume()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Continue after a validation within an epoch."""
        self._resume()

    def _resume(self) -> None:
        if self._since is not None:
            self._since = time.monotonic()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The batch is there."""
        if self._since is not None:
            now = time.monotonic()
            self.waiting += now - self._since
            self.seconds += now - self._since
            self._since = now

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Sample,
        batch_idx: int,
    ) -> None:
        """The step is done."""
        now = time.monotonic()
        if self._since is not None:
            self.seconds += now - self._since
            self.images += len(batch.row) * trainer.world_size
        self._since = now
