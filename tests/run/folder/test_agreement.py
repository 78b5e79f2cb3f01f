"""A checkpoint is used with the configuration that it was made with, or not at all."""

import contextlib
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import covseg
from covseg.errors import CovsegError, RunError, setting
from covseg.learn.checkpoint import read_checkpoint
from covseg.run.folder.agreement import check_agreement
from covseg.run.folder.run_folder import RunFolder

GONE = object()


@pytest.fixture(scope="module")
def stored(finished_run: Path) -> dict[str, Any]:
    return read_checkpoint(finished_run / "checkpoints" / "best.ckpt")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def edit(run: Path, key: str, value: Any) -> Any:
    """Change a key of ``config.yaml``; the value before."""
    path = run / "config.yaml"
    values = node = yaml.safe_load(path.read_text())
    *above, last = key.split(".")
    for name in above:
        node = node[name]
    before = node.get(last)
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return before


def agree(run: Path, stored: dict[str, Any]) -> None:
    folder = RunFolder(run)
    check_agreement(stored, folder.best, folder, folder.config)


def sentence(run: Path, key: str, before: Any, now: Any, checkpoint: str = "best") -> str:
    """How the refusal begins."""
    return (
        f"{run / 'config.yaml'} has {setting(key, now)}, and {checkpoint}.ckpt was made with "
        f"{setting(key, before)}: "
    )


def files(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


FLIP = {"_target_": "albumentations.HorizontalFlip", "p": 0.5}
CHANGES = {
    "the learning rate": ("optimizer.lr", 0.5),
    "the size of the images": ("data.image_size", 64),
    "the threshold": ("protocol.threshold", 0.25),
    "the seed": ("seed", 1),
    "a weight of the loss": ("loss.positive_weight", 2.0),
    "a probability": ("augment.flip.p", 0.25),
    "other phantom data": ("data.phantom.seed", 1),
    "a part that is added": ("augment.again", FLIP),
    "an argument that is added": ("optimizer.amsgrad", True),
    "a part that is removed": ("augment.flip", GONE),
    "fewer epochs": ("trainer.max_epochs", 1),
    "epochs without end": ("trainer.max_epochs", None),
}


@pytest.mark.parametrize(("key", "value"), CHANGES.values(), ids=CHANGES)
def test_what_changes_the_result_is_refused_with_both_values(key, value, run, stored):
    before = edit(run, key, value)
    with pytest.raises(RunError) as error:
        agree(run, stored)
    now = None if value is GONE else value
    if isinstance(before, dict) or isinstance(now, dict):  # a whole part: its first key is named
        key = f"{key}._target_"
        before, now = (part and part["_target_"] for part in (before, now))
    assert str(error.value).startswith(sentence(run, key, before, now))


TENSORBOARD = {"tensorboard": {"_target_": "lightning.pytorch.loggers.TensorBoardLogger"}}
FREE = [
    ("data.num_workers", 1),
    ("data.cache_dir", "/elsewhere"),
    ("data.root", "/elsewhere"),
    ("name", "b"),
    ("tags", ["a"]),
    ("logger", TENSORBOARD),
    ("trainer.max_time", "00:12:00:00"),
    ("trainer.enable_progress_bar", False),
    ("trainer.max_epochs", 3),
    ("trainer.max_epochs", -1),
    ("callbacks.checkpoint_every_n_steps", 3),
    ("callbacks.pictures.n_images", 2),
]


@pytest.mark.parametrize(("key", "value"), FREE)
def test_what_changes_no_result_is_accepted(key, value, run, stored):
    assert edit(run, key, value) != value
    agree(run, stored)


@pytest.mark.parametrize(
    ("words", "checkpoint"),
    [
        (("evaluate", "run=run", "hydra.run.dir=out"), "best"),
        (("train", "resume=run", "trainer.max_epochs=3"), "last"),
        (("train", "experiment=debug", "init=run", "hydra.run.dir=out"), "best"),
    ],
    ids=["evaluate", "resume", "init"],
)
def test_every_verb_that_uses_a_checkpoint_refuses_what_was_changed(
    words, checkpoint, run, verb, tmp_path
):
    before = edit(run, "optimizer.lr", 0.5)
    kept = files(run)
    done = verb(*words)
    assert done.code == 1
    assert sentence(run, "optimizer.lr", before, 0.5, checkpoint) in done.err.splitlines()[-1]
    assert files(run) == kept
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_refused_goes_on_once_its_configuration_is_restored(run, verb):
    edited = edit(run, "optimizer.lr", 0.5)
    assert verb("train", "resume=run", "trainer.max_epochs=3").code == 1
    edit(run, "optimizer.lr", edited)
    done = verb("train", "resume=run", "trainer.max_epochs=3")
    assert done.code == 0, done.err
    assert "epoch 3:" in done.err


def test_from_python_what_was_changed_is_refused_as_well(run):
    before = edit(run, "protocol.threshold", 0.25)
    with pytest.raises(RunError) as error:
        covseg.load(run)
    assert str(error.value).startswith(sentence(run, "protocol.threshold", before, 0.25))


def test_a_longer_run_and_its_own_configuration_agree(run, verb):
    assert verb("train", "resume=run", "trainer.max_epochs=3").code == 0
    for name in ("best", "last"):
        path = run / "checkpoints" / f"{name}.ckpt"
        folder = RunFolder(run)
        check_agreement(read_checkpoint(path), path, folder, folder.config)


UNREADABLE = {
    "none": GONE,
    "null": None,
    "a number": 5,
    "a list": [1],
    "a tensor": torch.ones(2),
    "other words": {"lr": 1},
    "a value that cannot be": {"seed": -1},
    "a name that is no name": {5: torch.ones(2)},
}


def without_words(value: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        if value is GONE:
            del found["hyper_parameters"]
        elif isinstance(value, dict):
            found["hyper_parameters"] |= value
        else:
            found["hyper_parameters"] = value

    return change


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_a_checkpoint_that_does_not_say_how_it_was_made_is_used_with_a_warning(
    value, run, finished_run, caplog
):
    path = run / "checkpoints" / "best.ckpt"
    found = read_checkpoint(path)
    without_words(value)(found)
    torch.save(found, path)
    with caplog.at_level(logging.INFO, "covseg"):
        model = covseg.load(run)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"{path} has no configuration that this covseg can read")
    assert str(run / "config.yaml") in record.getMessage()
    image = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    assert np.array_equal(model.predict(image), covseg.load(finished_run).predict(image))


def test_a_tensor_where_a_number_was_ends_in_a_sentence(run):
    path = run / "checkpoints" / "best.ckpt"
    found = read_checkpoint(path)
    found["hyper_parameters"]["loss"]["positive_weight"] = torch.ones(2)
    torch.save(found, path)
    with contextlib.suppress(CovsegError):  # refused, or used with a warning
        covseg.load(run)


def test_the_warning_stands_once_in_the_log_of_an_evaluation(run, verb, tmp_path):
    path = run / "checkpoints" / "best.ckpt"
    found = read_checkpoint(path)
    del found["hyper_parameters"]
    torch.save(found, path)
    done = verb("evaluate", "run=run", "hydra.run.dir=out")
    assert done.code == 0, done.err
    text = (tmp_path / "out" / "evaluate.log").read_text()
    assert text.count(f"{path} has no configuration that this covseg can read") == 1
