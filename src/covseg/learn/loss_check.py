"""Losses that are no longer finite end the training."""

import math

import lightning as L
import torch

from covseg.errors import TrainingError

REMEDY = (
    "lower optimizer.lr, or set trainer.gradient_clip_val=1; "
    "checkpoints/last.ckpt is the last good state, if an epoch was completed"
)
_EVERY_N_LOSSES = 50


class LossCheck:
    """Checks losses many at a time, because reading one synchronises the device."""

    def __init__(self) -> None:
        self._losses: list[tuple[str, torch.Tensor, torch.Tensor]] = []  # place, loss, rows

    @property
    def due(self) -> bool:
        """Whether enough losses are recorded to check them."""
        return len(self._losses) >= _EVERY_N_LOSSES

    def record(self, place: str, loss: torch.Tensor, rows: torch.Tensor) -> None:
        """Keep the loss of a batch.

        Args:
            place: of the batch in the training, for the error.
            loss: a scalar.
            rows: the numbers of its images.
        """
        self._losses.append((place, loss, rows))

    def check(self, trainer: L.Trainer) -> None:
        """Check the recorded losses and forget them.

        Raises:
            TrainingError: a loss is not finite; names its batch and images.
        """
        losses, self._losses = self._losses, []
        if not losses:
            return
        values = torch.stack([loss for _, loss, _ in losses]).tolist()
        for (place, _, rows), value in zip(losses, values, strict=True):
            if not math.isfinite(value):
                rows_of_data = trainer.datamodule.index.rows  # type: ignore[attr-defined]
                names = ", ".join(rows_of_data[row].name for row in rows.tolist())
                raise TrainingError(f"{place} ({names})", f"is {value}", REMEDY)
