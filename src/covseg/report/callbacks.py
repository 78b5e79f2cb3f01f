"""What writes and draws while a network trains."""

import csv
import io
import logging
import math
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from pydantic import PositiveInt

from covseg.data.dataset import to_network
from covseg.files import write_whole
from covseg.learn.module import SegmentationModule
from covseg.report.pictures import panels, save, stack

log = logging.getLogger(__name__)


class EpochTable(L.Callback):
    """``metrics.csv``: one row an epoch, whatever loggers there are; and one line in the log.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, Any]] = []
        self._val: dict[str, float] = {}
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The rows, for a checkpoint: a run that goes on neither repeats nor loses one."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on below the rows of a checkpoint."""
        self._rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._began = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the scores of this validation, unless it is Lightning's check before training."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, SegmentationModule)
        loss = {"val/loss": float(trainer.callback_metrics["val/loss"])}
        self._val = loss | pl_module.val_values

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the whole table anew: it is never half an epoch behind."""
        if not trainer.is_global_zero:
            return
        # Lightning keeps the values of earlier epochs: only those of this one are taken
        values = {
            name: float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith("train/")
        } | self._val
        self._val = {}
        seconds = time.monotonic() - self._began
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        head = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "lr": rate}
        self._rows.append(head | values)
        self._write()
        shown = ", ".join(
            f"{name} {values[key]:.4f}"
            for name, key in (
                ("loss", "train/loss"),
                ("RMSE", "train/rmse"),
                ("Val RMSE", "val/rmse_per_image"),
                ("Val Dice", "val/dice_positive"),
            )
            if key in values
        )
        log.info("epoch %d: %s (%.0f s)", trainer.current_epoch + 1, shown, seconds)

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, columns)
        writer.writeheader()
        writer.writerows(self._rows)
        write_whole(self._path, table.getvalue())


class ProgressBar(RichProgressBar):
    """Lightning's bar, with names that leave room for themselves in 80 columns."""

    _SHORT = MappingProxyType({"loss": "loss", "rmse": "RMSE", "val/rmse_per_image": "Val"})

    _SECONDS = 0.5  # between two looks at the numbers: each makes the host wait for the device

    def __init__(self) -> None:
        super().__init__()
        self._looked, self._shown = -math.inf, dict[str, int | str | float | dict[str, float]]()

    def get_metrics(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Loss and RMSE of a recent batch, RMSE of the last validation."""
        if time.monotonic() >= self._looked + self._SECONDS:
            found = super().get_metrics(trainer, pl_module)
            self._shown = {n: found[name] for name, n in self._SHORT.items() if name in found}
            self._looked = time.monotonic()
        return self._shown


class Pictures(L.Callback):
    """The same few positive images of Val after every epoch: to watch, not to choose by.

    Args:
        n_images: how many.
        every_n_epochs: how often.
    """

    def __init__(self, n_images: PositiveInt = 4, every_n_epochs: PositiveInt = 1) -> None:
        self._n_images, self._every = n_images, every_n_epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw into ``pictures/`` and hand the drawing to the loggers that take pictures."""
        epoch = trainer.current_epoch + 1
        if not trainer.is_global_zero or epoch % self._every:
            return
        assert isinstance(pl_module, SegmentationModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        parts = data.division.parts
        rows = [row for row in data.index.of_split("Val") if parts[row] not in {"excluded", "fold"}]
        rows = [row for row in rows if _shows_something(data, row)]
        chosen = rows[:: max(1, len(rows) // self._n_images)][: self._n_images]
        if not chosen:
            return
        picture = draw_rows(pl_module, data, chosen, pl_module.threshold, captions={})
        save(picture, Path(trainer.default_root_dir) / "pictures" / f"epoch_{epoch:03d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("pictures", [picture], step=trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(
                    "pictures", picture, trainer.global_step, dataformats="HWC"
                )


def draw_rows(
    module: SegmentationModule,
    data: Any,
    rows: list[int],
    threshold: float,
    captions: dict[int, str],
) -> Any:
    """Panels of these rows, one line each; of the first target where there are several."""
    was_training = module.training
    module.eval()
    drawn = []
    # the same arithmetic as that of the scores, after which Lightning has left the device
    precision, device = module.trainer.precision_plugin, module.trainer.strategy.root_device
    module.to(device)
    with torch.inference_mode(), precision.forward_context():
        for sample in data.fixed_samples(rows):
            probability = module.probability(sample.image[None].to(device))
            row = int(sample.row)
            drawn.append(
                panels(
                    to_network(sample.image)[0].numpy(),
                    sample.mask[0].float().numpy(),
                    probability[0, 0].cpu().numpy(),
                    threshold,
                    captions.get(row, data.index.rows[row].name),
                )
            )
    module.train(was_training)
    return stack(drawn)


def _shows_something(data: Any, row: int) -> bool:
    return bool(data.store.masks[data.data.targets[0]][row].any())
