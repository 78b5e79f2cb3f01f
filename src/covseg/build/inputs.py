"""The images: DataModule and augmentation."""

from typing import Any

from covseg.build.instantiate import arguments_of, make, unusable
from covseg.config.data import Data
from covseg.config.protocol import Protocol
from covseg.config.train import Train
from covseg.data.augment import Augment, check
from covseg.data.datamodule import XrayDataModule
from covseg.errors import ConfigError


def datamodule(data: Data, protocol: Protocol, *, report: str, **more: Any) -> XrayDataModule:
    """The splits as the protocol uses them; ``more`` are other arguments of the DataModule."""
    return XrayDataModule(data, fit=protocol.fit, select=protocol.select, report=report, **more)


def augment(config: Train) -> Augment | None:
    """The random transforms of the group ``augment``, each tried out; None where there are none.

    Raises:
        ConfigError: a transform that cannot be built, or whose results cannot be fitted.
    """
    transforms = {
        key: make(f"augment.{key}", arguments_of(node)) for key, node in config.augment.items()
    }
    if not transforms:
        return None
    for key, transform in transforms.items():
        try:
            fault = check(transform, config.data.image_size)
        except Exception as error:  # a library's own, of any kind
            raise unusable(f"augment.{key}", error) from error
        if fault is not None:
            raise ConfigError(f"augment.{key}", fault, "change its arguments, or leave it out")
    return Augment(list(transforms.values()), config.seed)
