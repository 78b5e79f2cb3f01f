"""Small phantom datasets on disk."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from covseg.data.phantom.dataset import write
from covseg.data.store import Store
from listings import opened

N_IMAGES = {"Train": 16, "Val": 8, "Test": 6}
SIZE = 64


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the infection tree, doubled as on Kaggle: nobody writes to it."""
    root = tmp_path_factory.mktemp("phantom")
    write(root, 0, N_IMAGES, size=SIZE)
    return root


@pytest.fixture(scope="session")
def phantom_zip(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as an archive."""
    path = tmp_path_factory.mktemp("archive") / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(phantom.rglob("*.png")):
            archive.write(file, file.relative_to(phantom))
    return path


@pytest.fixture
def copy(phantom: Path, tmp_path: Path) -> Path:
    """A folder of the same files that a test may damage."""
    return shutil.copytree(phantom, tmp_path / "copy")


@pytest.fixture(scope="session")
def store(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return opened(phantom, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def trainer() -> Callable[..., SimpleNamespace]:
    """What a datamodule asks of a trainer, without one."""

    def make(rank: int = 0, world_size: int = 1, overfit_batches: int = 0) -> SimpleNamespace:
        return SimpleNamespace(
            current_epoch=0,
            world_size=world_size,
            global_rank=rank,
            is_global_zero=rank == 0,
            overfit_batches=overfit_batches,
            limit_train_batches=1.0,
            limit_val_batches=1.0,
            limit_test_batches=1.0,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        )

    return make
