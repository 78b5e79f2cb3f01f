"""The LightningModule: how any network is trained, validated and tested."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning as L
import torch
from torch import distributed, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torchmetrics import MeanMetric, MeanSquaredError, Metric, MetricCollection

from covseg.data.dataset import Sample, to_network
from covseg.data.resize import Square
from covseg.errors import TrainingError
from covseg.learn.loss_check import REMEDY, LossCheck
from covseg.learn.probability import probability_of

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
SchedulerFactory = Callable[..., LRScheduler | ReduceLROnPlateau]


class SegmentationModule(L.LightningModule):
    """A network with its loss, metrics and optimizer.

    Args:
        network: image [batch, 1, size, size] -> logits [batch, targets, size, size].
        loss: (logits, mask) -> scalar.
        scores: updated with (probability, truth, row), logged as ``val/<name>``.
        records: updated with the same while testing; ``collected`` is its result.
        histograms: updated with the same while testing; ``collected_histograms`` is its result.
        threshold: prediction = probability > threshold, for pictures.
        make_optimizer: parameters -> optimizer.
        make_scheduler: (optimizer, total_steps) -> scheduler; None for a constant rate.
        monitor: name of the logged score that a plateau schedule uses.
        channels_last: memory format of images and weights.
        flips: whether ``probability`` is averaged with that of the mirrored image.
        square: what an image fills of the network's input; None for all of it.
        hparams: plain values only, so that a checkpoint loads with ``weights_only=True``.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        scores: MetricCollection,
        records: Metric,
        histograms: Metric,
        threshold: float,
        *,
        make_optimizer: OptimizerFactory,
        make_scheduler: SchedulerFactory | None = None,
        monitor: str = "",
        channels_last: bool = False,
        flips: bool = False,
        square: Square | None = None,
        hparams: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(dict(hparams or {}))
        self.network, self.loss = network, loss
        # checking for NaN would synchronise the device at every step; torchmetrics 1.9 ignores
        # weights if the check is disabled, and Val needs them
        self.train_loss, self.val_loss = MeanMetric(nan_strategy="disable"), MeanMetric()
        self.train_rmse = MeanSquaredError(squared=False)
        self.val_scores = scores.clone(prefix="val/")
        self.records, self.histograms, self.threshold = records, histograms, threshold
        self.collected: torch.Tensor | None = None
        self.collected_histograms: tuple[torch.Tensor, ...] = ()
        self.val_values: dict[str, float] = {}
        self._loss_check = LossCheck()
        self._make_optimizer, self._make_scheduler = make_optimizer, make_scheduler
        self._monitor, self._flips, self._square = monitor, flips, square
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(memory_format=self._format)  # type: ignore[call-overload]

    @property
    def train_metrics(self) -> tuple[Metric, ...]:
        """The metrics that accumulate over the batches of an epoch."""
        return self.train_loss, self.train_rmse

    def on_fit_start(self) -> None:
        """Cast the metrics back to float32: a ``*-true`` precision casts them with the network."""
        for metric in (*self.train_metrics, self.val_loss):
            metric.set_dtype(torch.float32)

    def training_step(self, batch: Sample, batch_idx: int) -> torch.Tensor:
        """Loss of a batch. The RMSE, here on the resized masks, shows progress and is no score.

        Nothing here synchronises the device, so that the host can queue work ahead of it.
        """
        logits = self.network(self._input(batch.image))
        loss: torch.Tensor = self.loss(logits, batch.mask)
        self._record_loss(loss.detach(), batch, batch_idx)
        self.train_loss.update(loss.detach())
        probability = logits.detach().float().sigmoid()
        self.train_rmse.update(probability.flatten(), batch.mask.float().flatten())
        rmse = (probability - batch.mask).square().mean().sqrt()
        # for callbacks, of which ``Curves`` passes them on to the loggers
        steps = {"train/loss_step": loss.detach(), "train/rmse_step": rmse}
        self.log_dict(steps, logger=False)
        epoch = {"train/loss": self.train_loss, "train/rmse": self.train_rmse}
        self.log_dict(epoch, on_step=False, on_epoch=True, logger=False)
        return loss * self._share_of_step(batch_idx)

    def _share_of_step(self, batch_idx: int) -> float:
        """Factor that makes the gradient of a step the mean over its batches.

        Lightning divides every loss by ``accumulate_grad_batches``, but the last step of an epoch
        may have fewer batches.
        """
        per_step = self.trainer.accumulate_grad_batches
        n_batches = int(self.trainer.num_training_batches)
        rest = n_batches % per_step
        return per_step / rest if rest and batch_idx >= n_batches - rest else 1.0

    def on_train_epoch_end(self) -> None:
        """Check the losses of the last steps."""
        self._check_losses()

    def on_validation_start(self) -> None:
        """Check the losses of the last steps, and use the buffers of the first process."""
        self._check_losses()
        self._share_buffers()

    def on_validation_epoch_start(self) -> None:
        """Use the averaged buffers of the first process, where a callback averages them."""
        self._share_buffers()

    def _share_buffers(self) -> None:
        """Use the buffers (batch norm's statistics) of the first process, as a checkpoint does."""
        if self.trainer.world_size > 1:
            for buffer in self.network.buffers():
                distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        """Scores and loss of a batch, both at the size of the mask on disk."""
        logits = self.of_image(self._plain_logits(batch.image), batch.mask)
        at_truth = F.interpolate(logits, batch.mask.shape[-2:], mode="bilinear")
        loss: torch.Tensor = self.loss(at_truth, batch.mask)
        self._record_loss(loss, batch, batch_idx)
        self.val_loss.update(loss, weight=len(batch.row))
        self.val_scores.update(logits.sigmoid(), batch.mask, batch.row)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True, logger=False)

    def on_validation_epoch_end(self) -> None:
        """Log the scores that are defined; ``val_values`` holds them until the next validation.

        A callback that monitors an undefined score sees the worst possible value.
        """
        self._check_losses()
        values = self.val_scores.compute()
        self.val_scores.reset()
        self.val_values = {k: float(v) for k, v in values.items() if not v.isnan()}
        for name, value in self.val_values.items():
            self.log(name, value, logger=False)
        for name, metric in self.val_scores.items():
            if name not in self.val_values:  # else callbacks would see the last epoch's value
                worst = torch.tensor(0.0 if metric.higher_is_better else 1.0)
                self.trainer.callback_metrics[name] = worst

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        """Record every image of a batch."""
        probability = self.probability(batch.image, batch.mask)
        self.records.update(probability, batch.mask, batch.row)
        self.histograms.update(probability, batch.mask, batch.row)

    def on_test_epoch_end(self) -> None:
        """Gather the results of all processes."""
        self.collected = self.records.compute().cpu()
        self.collected_histograms = tuple(part.cpu() for part in self.histograms.compute())
        self.records.reset()
        self.histograms.reset()

    def probability(self, image: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Probability of each pixel and target, without what is beside a padded image.

        Args:
            image: uint8 [batch, 1, size, size].
            truth: masks at their size on disk, [batch, targets, height, width].

        Returns:
            float32 [batch, targets, size, size], of a padded image less rows or columns.
        """
        return self.of_image(probability_of(self._plain_logits, image, self._flips), truth)

    def of_image(self, values: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """The part of a padded square [..., size, size] that shows the image."""
        if self._square is None:
            return values
        height, width = truth.shape[-2:]
        return values[..., *self._square.part((height, width))]

    def _plain_logits(self, image: torch.Tensor) -> torch.Tensor:
        """Logits in float32, from the network without ``torch.compile`` and in its own precision.

        A compiled network rounds differently, as do steps in 16 bits, and a score must not depend
        on how a run was trained. Calling ``forward`` directly bypasses ``network.compile()``.
        """
        with torch.autocast(image.device.type, enabled=False):
            logits: torch.Tensor = self.network.forward(self._input(image))
        return logits.float()

    def _input(self, image: torch.Tensor) -> torch.Tensor:
        """The network's input for a batch of uint8 images, in the network's dtype."""
        weight = next(self.network.parameters())
        return to_network(image).to(weight.dtype, memory_format=self._format)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to overwrite a good checkpoint by one with weights that are not finite."""
        self._check_losses()
        for name, weight in checkpoint["state_dict"].items():
            if not torch.isfinite(weight).all():
                raise TrainingError(f"the weights ({name})", "are no longer finite", REMEDY)

    def configure_optimizers(self) -> Any:
        """The optimizer, with its scheduler if there is one."""
        optimizer = self._make_optimizer(self.network.parameters())
        if self._make_scheduler is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches  # infinite only with plateau
        total = int(steps) if math.isfinite(steps) else 0
        scheduler = self._make_scheduler(optimizer, total_steps=total)
        config: dict[str, Any] = {"scheduler": scheduler, "interval": "step"}
        if isinstance(scheduler, ReduceLROnPlateau):
            frequency = self.trainer.check_val_every_n_epoch or 1
            config |= {"interval": "epoch", "frequency": frequency, "monitor": self._monitor}
        return {"optimizer": optimizer, "lr_scheduler": config}

    def _record_loss(self, loss: torch.Tensor, batch: Sample, batch_idx: int) -> None:
        stage = "training" if self.training else "Val"
        place = f"the {stage} loss of epoch {self.current_epoch + 1}, batch {batch_idx + 1}"
        self._loss_check.record(place, loss, batch.row)
        if self._loss_check.due:
            self._check_losses()

    def _check_losses(self) -> None:
        self._loss_check.check(self.trainer)
