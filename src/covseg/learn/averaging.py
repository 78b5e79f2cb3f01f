"""An exponential moving average (EMA) of the weights."""

from typing import Annotated

import lightning as L
from lightning.pytorch.callbacks import WeightAveraging
from pydantic import Field
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(WeightAveraging):
    """Averages the weights and the statistics of batch norm after every step.

    The averaged ones are scored on Val, saved in the checkpoints and reported; the checkpoint's
    ``current_model_state`` has those that training continues with.

    Args:
        decay: share of the average that a step keeps; 0.998 remembers about 500 steps.
    """

    def __init__(self, decay: Annotated[float, Field(gt=0, lt=1)] = 0.998) -> None:
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        super().__init__(multi_avg_fn=average)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Move the average to the device, where the weights are only now.

        Its count of steps stays on the CPU: torch reads it at every step, and would wait for a GPU.
        """
        assert self._average_model is not None
        self._average_model.module.to(pl_module.device)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights that training would continue with: a run may be prolonged.

        Reported is a checkpoint, which has the average.
        """
