"""Callbacks that write tables and pictures during training."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from pydantic import PositiveInt

from covseg.csv_files import write_csv
from covseg.learn.module import SegmentationModule
from covseg.measure.scores import OBJECTIVE
from covseg.report.curves import of_epoch
from covseg.report.pictures import log_picture, panels, picture_of_epoch, save, stack
from covseg.report.predictions import predictions

log = logging.getLogger(__name__)


_SHOWN = {f"val/{OBJECTIVE}": "RMSE", "val/dice_positive": "Dice"}  # of Val, in the log


class EpochTable(L.Callback):
    """Writes ``metrics.csv``, one row per epoch, and one log line per epoch.

    Args:
        path: of the file.
        monitor: logged name of the score by which a checkpoint is chosen.
        low_is_good: whether a lower one is better.
    """

    def __init__(
        self, path: Path, monitor: str = f"val/{OBJECTIVE}", low_is_good: bool = True
    ) -> None:
        self._path, self._monitor, self._low_is_good = path, monitor, low_is_good
        self._rows: list[dict[str, Any]] = []
        self._val: dict[str, float] = {}
        self._started = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """The rows, so that a resumed run neither repeats nor loses one."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows of a checkpoint."""
        self._rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Store the scores of this validation, except those of Lightning's sanity check."""
        if trainer.sanity_checking:
            return
        assert isinstance(pl_module, SegmentationModule)
        loss = {"val/loss": float(trainer.callback_metrics["val/loss"])}
        self._val = loss | pl_module.val_values

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add a row, rewrite the file, and log the most important values."""
        if not trainer.is_global_zero:
            return
        # val/ values in callback_metrics may be those of an earlier epoch
        values = of_epoch(trainer) | self._val
        self._val = {}
        seconds = time.monotonic() - self._started
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        head = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step, "lr": lr}
        self._rows.append(head | values)
        self._write()
        log.info("epoch %d: %s; %.0f s", head["epoch"], self._line(values), seconds)

    def _line(self, values: Mapping[str, float]) -> str:
        """Loss, RMSE and Val of an epoch, whose row is the last; 80 columns with what is around."""

        def parts(shown: Mapping[str, str], best: str = "") -> str:
            return ", ".join(
                f"{name} {values[key]:.4f}{best if key == self._monitor else ''}"
                for key, name in shown.items()
                if key in values
            )

        fitted = parts({"train/loss": "loss", "train/rmse": "RMSE"})
        monitored = {self._monitor: self._monitor.removeprefix("val/")}
        scored = parts({**monitored, **_SHOWN}, " (best)" if self._is_best(values) else "")
        return fitted + (f"; Val: {scored}" if scored else "")

    def _is_best(self, values: Mapping[str, float]) -> bool:
        """Whether the last row has a better monitored score than all before."""
        if self._monitor not in values:
            return False
        sign = 1 if self._low_is_good else -1
        *before, now = (sign * float(r[self._monitor]) for r in self._rows if self._monitor in r)
        return now < min(before, default=2)

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        rows = ([row.get(column, "") for column in columns] for row in self._rows)
        write_csv(self._path, columns, rows)


class Pictures(L.Callback):
    """Draws the same few positive images of Val during training.

    With averaged weights they are those that training continues with, not the average.

    Args:
        n_images: number of images.
        every_n_epochs: epochs between two drawings.
    """

    def __init__(self, n_images: PositiveInt = 4, every_n_epochs: PositiveInt = 1) -> None:
        self._n_images, self._every_n_epochs = n_images, every_n_epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw into ``pictures/``, and to the loggers that support pictures."""
        epoch = trainer.current_epoch + 1
        if not trainer.is_global_zero or epoch % self._every_n_epochs:
            return
        assert isinstance(pl_module, SegmentationModule)
        data = trainer.datamodule  # type: ignore[attr-defined]
        parts = data.division.parts
        rows = [row for row in data.index.of_split("Val") if parts[row] not in {"excluded", "fold"}]
        rows = [row for row in rows if data.store.masks[data.data.targets[0]][row].any()]
        chosen = rows[:: max(1, len(rows) // self._n_images)][: self._n_images]
        if not chosen:
            return
        picture = draw_rows(pl_module, data, chosen, pl_module.threshold)
        save(picture, picture_of_epoch(Path(trainer.default_root_dir), epoch))
        for logger in trainer.loggers:
            log_picture(logger, picture, trainer.global_step)


def draw_rows(
    module: SegmentationModule,
    data: Any,
    rows: list[int],
    threshold: float,
) -> Any:
    """Draw the panels of the first target of some images, named, RGB uint8 [height, width, 3].

    Args:
        module: its Trainer's device and precision are used, as for the scores.
        data: the DataModule.
        rows: of the index, one row of panels each.
        threshold: prediction = probability > threshold.
    """
    return stack(
        [
            panels(
                shown.image,
                shown.truth,
                shown.probability,
                threshold,
                data.index.rows[shown.row].name,
            )
            for shown in predictions(module, data, rows)
        ]
    )
