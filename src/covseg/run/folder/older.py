"""Configurations that an older covseg has written."""

from collections.abc import Mapping
from typing import Any

_LOGGERS = "covseg.report.loggers."
_MOVED = {
    "covseg.learn.unet.UNet": "covseg.learn.networks.unet.UNet",
    "lightning.pytorch.loggers.WandbLogger": f"{_LOGGERS}wandb.Wandb",
    "lightning.pytorch.loggers.TensorBoardLogger": f"{_LOGGERS}tensorboard.TensorBoard",
}
# keys that were added, with what they are where they are not set
_NEW = (
    *(("data", "target_weights", None), ("data", "fit_classes", None)),
    ("protocol", "flips", False),
)
_FIXED = ("name", "version", "default_hp_metric")  # of TensorBoard's logger, once written out


def updated(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with today's names and places of keys."""
    values = dict(values)
    model, loggers = values.get("model"), values.get("logger")
    if isinstance(model, dict) and str(model.get("_target_")) in _MOVED:
        model = _moved(model)
        values = {"compile": model.pop("compile", "auto"), **values, "model": model}
    if isinstance(loggers, dict):
        values["logger"] = {
            key: _moved(logger) if isinstance(logger, dict) else logger
            for key, logger in loggers.items()
        }
    for part, key, value in _NEW:
        if isinstance(of_part := values.get(part), dict):
            values[part] = {key: value, **of_part}
    return values


def _moved(part: Mapping[str, Any]) -> dict[str, Any]:
    target = str(part.get("_target_"))
    if target not in _MOVED:
        return dict(part)
    left_out = _FIXED if target.endswith("TensorBoardLogger") else ()
    moved = {key: value for key, value in part.items() if key not in left_out}
    return {**moved, "_target_": _MOVED[target]}
