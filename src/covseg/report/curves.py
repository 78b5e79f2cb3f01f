"""The curves of a run, as loggers get them."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import Logger

from covseg.errors import reason_of
from covseg.learn.module import SegmentationModule

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CurvePoint:
    """Values at one step.

    Attributes:
        step: optimizer steps so far.
        epoch: the first is 1.
        values: by their names, such as ``val/rmse_per_image``.
        ends_epoch: whether these are of a whole epoch of training.
    """

    step: int
    epoch: int
    values: dict[str, float]
    ends_epoch: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """What a logger gets."""
        return {"epoch": self.epoch, **self.values}


class Curves(L.Callback):
    """Passes loss, RMSE, learning rate and scores on to the loggers.

    Lightning's own calls would count epochs from 0 and lose the values of the step after which a
    run is stopped. All points are kept in the checkpoint: the loggers of a resumed run get them
    again, and their curves have no gap and no step twice.

    Attributes:
        points: so far.
    """

    def __init__(self) -> None:
        self.points: list[CurvePoint] = []
        self._lost: list[Logger] = []

    def at(self, step: int) -> dict[str, float]:
        """Everything that was logged at a step, empty if nothing was."""
        here = [point.metrics for point in self.points if point.step == step]
        return {name: value for metrics in here for name, value in metrics.items()}

    def state_dict(self) -> dict[str, Any]:
        """The points, as plain values."""
        return {"points": [asdict(point) for point in self.points]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the points of a checkpoint."""
        self.points = [CurvePoint(**point) for point in state_dict["points"]]

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Log the values of a step, every ``trainer.log_every_n_steps``."""
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if not trainer.loggers:  # reading a value would wait for the device, and nobody asks
            return
        if not trainer.fit_loop._should_accumulate() and trainer.global_step % every == 0:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            self._log(trainer, _named(trainer, "train/", "_step") | {"train/lr": float(rate)})

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the scores on Val."""
        assert isinstance(pl_module, SegmentationModule)
        if not trainer.sanity_checking:
            self._log(trainer, _named(trainer, "val/loss") | pl_module.val_values)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log loss and RMSE of the epoch."""
        self._log(trainer, of_epoch(trainer), ends_epoch=True)

    def _log(self, trainer: L.Trainer, values: dict[str, float], ends_epoch: bool = False) -> None:
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        point = CurvePoint(trainer.global_step, epoch, values, ends_epoch)
        self.points.append(point)
        for logger in trainer.loggers:
            if logger not in self._lost:
                self._pass_on(point, logger)

    def _pass_on(self, point: CurvePoint, logger: Logger) -> None:
        """A dashboard that fails, such as one whose server has died, does not end the run."""
        try:
            logger.log_metrics(point.metrics, point.step)
            logger.save()
        except Exception as error:  # noqa: BLE001  of any kind
            self._lost.append(logger)
            name, reason = type(logger).__name__, reason_of(error)
            log.warning("%s gets no more curves (%s); metrics.csv has them", name, reason)


def of_epoch(trainer: L.Trainer) -> dict[str, float]:
    """The values of an epoch of training by their names in loggers, such as ``train/loss``."""
    values = _named(trainer, "train/")
    return {name: value for name, value in values.items() if not name.endswith("_step")}


def _named(trainer: L.Trainer, start: str, end: str = "") -> dict[str, float]:
    return {
        name: float(value)
        for name, value in sorted(trainer.callback_metrics.items())
        if isinstance(value, torch.Tensor) and name.startswith(start) and name.endswith(end)
    }
