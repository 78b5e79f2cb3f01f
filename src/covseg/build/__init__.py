"""Configuration -> objects: what each part is given beside its own arguments."""

from covseg.build.inputs import augment, datamodule
from covseg.build.modules import module, monitor, scores
from covseg.build.networks import network
from covseg.build.observers import callbacks, loggers
from covseg.build.pretrained import load_pretrained
from covseg.build.trainers import trainer

__all__ = [
    "augment",
    "callbacks",
    "datamodule",
    "load_pretrained",
    "loggers",
    "module",
    "monitor",
    "network",
    "scores",
    "trainer",
]
