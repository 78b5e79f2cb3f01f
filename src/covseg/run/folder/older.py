"""Configurations that an older covseg has written."""

from collections.abc import Mapping
from typing import Any

_UNET = "covseg.learn.unet.UNet"


def updated(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration with today's names: the U-Net has moved, and so has ``compile``."""
    model = values.get("model")
    if not isinstance(model, dict) or model.get("_target_") != _UNET:
        return dict(values)
    model = {**model, "_target_": "covseg.learn.networks.unet.UNet"}
    return {"compile": model.pop("compile", "auto"), **values, "model": model}
