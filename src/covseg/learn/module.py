"""The LightningModule: one step, told apart by its stage; it knows no architecture and no file."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import lightning as L
import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import MeanMetric, MeanSquaredError, Metric, MetricCollection

from covseg.data.dataset import Sample
from covseg.errors import TrainingError

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class SchedulerFactory(Protocol):
    """How a schedule is made: from the optimizer and the number of steps of the run."""

    def __call__(
        self, optimizer: torch.optim.Optimizer, total_steps: int
    ) -> LRScheduler | ReduceLROnPlateau:
        """The schedule."""


class SegmentationModule(L.LightningModule):
    """A network, its loss, its metrics and how it is optimised.

    Args:
        network: image [batch, 1, size, size] -> logits [batch, targets, size, size].
        loss: (logits, mask) -> scalar.
        scores: updated with (probability, truth, row), logged as ``val/<name>``.
        records: updated alike while testing; ``collected`` holds what it computed.
        threshold: prediction = probability > threshold, for pictures.
        make_optimizer: parameters -> optimizer.
        make_scheduler: None for a constant rate.
        monitor: what a plateau schedule watches.
        channels_last: memory format of images and weights.
        hparams: plain values only, so that a checkpoint loads with ``weights_only=True``.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        scores: MetricCollection,
        records: Metric,
        threshold: float,
        *,
        make_optimizer: OptimizerFactory,
        make_scheduler: SchedulerFactory | None = None,
        monitor: str = "",
        channels_last: bool = False,
        hparams: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(dict(hparams or {}))
        self.network, self.loss = network, loss
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.train_rmse = MeanSquaredError(squared=False)
        self.val_scores = scores.clone(prefix="val/")
        self.records, self.threshold = records, threshold
        self.collected: torch.Tensor | None = None
        self.val_values: dict[str, float] = {}
        self._make_optimizer, self._make_scheduler = make_optimizer, make_scheduler
        self._monitor = monitor
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]

    @property
    def train_metrics(self) -> tuple[Metric, ...]:
        """What gathers over the batches of an epoch."""
        return self.train_loss, self.train_rmse

    def training_step(self, batch: Sample, batch_idx: int) -> torch.Tensor:
        """Loss of a batch; RMSE here is that of the resized masks: a sign of progress, no score."""
        logits = self.network(batch.image.to(memory_format=self._format))
        loss: torch.Tensor = self.loss(logits, batch.mask)
        self._refuse_nonfinite(loss, batch, batch_idx)
        self.train_loss.update(loss.detach())
        probability = logits.detach().float().sigmoid()
        self.train_rmse.update(probability.flatten(), batch.mask.float().flatten())
        rmse = (probability - batch.mask).square().mean().sqrt()
        self.log_dict({"loss": loss.detach(), "rmse": rmse}, prog_bar=True)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        self.log("train/rmse", self.train_rmse, on_step=False, on_epoch=True)
        return loss

    def on_validation_start(self) -> None:
        """Score with the statistics that a checkpoint holds, those of the first process."""
        if self.trainer.world_size > 1:
            for statistic in self.network.buffers():
                distributed.broadcast(statistic, src=0)

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Scores and loss of a batch, both at the size of the truth."""
        logits = self._plain_logits(batch.image)
        at_truth = F.interpolate(logits, batch.mask.shape[-2:], mode="bilinear")
        loss: torch.Tensor = self.loss(at_truth, batch.mask)
        self._refuse_nonfinite(loss, batch, batch_idx)
        self.val_loss.update(loss, weight=len(batch.row))
        self.val_scores.update(logits.sigmoid(), batch.mask, batch.row)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        """Log the scores that are defined; ``val_values`` holds them until the next validation."""
        values = self.val_scores.compute()
        self.val_scores.reset()
        self.val_values = {k: float(v) for k, v in values.items() if not v.isnan()}
        for name, value in self.val_values.items():
            self.log(name, value, prog_bar=name == self._monitor)

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        """Record every image of a batch."""
        self.records.update(self.probability(batch.image), batch.mask, batch.row)

    def on_test_epoch_end(self) -> None:
        """Gather the records of all processes."""
        self.collected = self.records.compute().cpu()
        self.records.reset()

    def probability(self, image: torch.Tensor) -> torch.Tensor:
        """Probability of each pixel and target, float32 [batch, targets, size, size]."""
        return self._plain_logits(image).sigmoid()

    def _plain_logits(self, image: torch.Tensor) -> torch.Tensor:
        """Logits in float32, without the compiler.

        The compiled network rounds differently from the plain one, and a score must not depend on
        how a run was trained: ``forward`` is the way around ``network.compile()``.
        """
        logits: torch.Tensor = self.network.forward(image.to(memory_format=self._format))
        return logits.float()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the last good checkpoint: one with broken weights is not written over it."""
        for name, weight in checkpoint["state_dict"].items():
            if not torch.isfinite(weight).all():
                raise TrainingError(f"the weights ({name})", "are not finite any more", _REMEDY)

    def configure_optimizers(self) -> Any:
        """The optimizer, and its schedule if there is one."""
        optimizer = self._make_optimizer(self.network.parameters())
        if self._make_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches  # infinite where only plateau may be used
        total = int(steps) if math.isfinite(steps) else 0
        scheduler = self._make_scheduler(optimizer, total_steps=total)
        plan: dict[str, Any] = {"scheduler": scheduler, "interval": "step"}
        if isinstance(scheduler, ReduceLROnPlateau):
            often = self.trainer.check_val_every_n_epoch or 1
            plan |= {"interval": "epoch", "frequency": often, "monitor": self._monitor}
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def _refuse_nonfinite(self, loss: torch.Tensor, batch: Sample, batch_idx: int) -> None:
        if not torch.isfinite(loss):
            rows = self.trainer.datamodule.index.rows  # type: ignore[attr-defined]
            names = ", ".join(rows[int(row)].name for row in batch.row)
            raise TrainingError(
                f"the {'training' if self.training else 'Val'} loss of epoch "
                f"{self.current_epoch + 1}, batch {batch_idx + 1} ({names})",
                f"is {float(loss.detach())}",
                _REMEDY,
            )


_REMEDY = (
    "lower optimizer.lr, or set trainer.gradient_clip_val=1; "
    "the last good state, if an epoch ended before, is checkpoints/last.ckpt"
)
