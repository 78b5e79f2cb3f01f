"""What the tests of several rooms share: a tiny phantom dataset, and a tiny run over it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from covseg import build
from covseg.config import Train, check
from covseg.data.datamodule import XrayDataModule
from covseg.learn.module import SegmentationModule
from covseg.run.compose import composed

Fitted = tuple[L.Trainer, SegmentationModule, XrayDataModule]

TINY = (
    *("data=phantom", "data.phantom.seed=0", "data.phantom.n_images={Train:8,Val:4,Test:4}"),
    *("data.image_size=32", "data.batch_size=4", "augment=none", "callbacks=none"),
    *("model.depth=2", "model.base_channels=4", "model.compile=false", "protocol.report=Test"),
    *("trainer=cpu", "trainer.max_epochs=2", "trainer.enable_progress_bar=false"),
    "trainer.enable_checkpointing=false",
)


@pytest.fixture(scope="session")
def phantom_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the phantom dataset and its store are kept: made by the first test that needs them."""
    return tmp_path_factory.mktemp("phantom_cache")


@pytest.fixture
def configured(phantom_cache: Path) -> Callable[..., Train]:
    """Overrides -> the checked configuration of a tiny training over phantom data."""

    def make(*overrides: str) -> Train:
        cache = f"data.cache_dir={phantom_cache}"
        return check(Train, composed("train", [*TINY, cache, *overrides]))

    return make


@pytest.fixture
def fit(configured: Callable[..., Train], tmp_path: Path) -> Callable[..., Fitted]:
    """Overrides -> a tiny training in ``tmp_path``, done.

    ``callbacks`` and ``loggers`` are added; ``prepare`` sees the module before it is fitted.
    """

    def run(
        *overrides: str,
        callbacks: tuple[L.Callback, ...] = (),
        loggers: tuple[Any, ...] = (),
        prepare: Callable[[SegmentationModule], object] = lambda module: None,
    ) -> Fitted:
        config = configured(*overrides)
        L.seed_everything(config.seed, workers=True, verbose=False)
        module = build.module(config, build.network(config))
        data = build.datamodule(config.data, config.protocol, report="Test", seed=config.seed)
        trainer = build.trainer(config.trainer, tmp_path, list(callbacks), list(loggers))
        prepare(module)
        trainer.fit(module, datamodule=data)
        return trainer, module, data

    return run
