"""While it trains.

What was reached before the mistake stays in the run folder, whole.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml

from covseg.measure.records import Records

DEBUG = ("train", "experiment=debug", "hydra.run.dir=run")
LONG = ("trainer.max_epochs=5000", "callbacks=none")
IMPATIENT = (  # stops after two epochs
    *("callbacks=early_stopping", "callbacks.early_stopping.monitor=train/loss"),
    *("callbacks.early_stopping.patience=1", "+callbacks.early_stopping.min_delta=9"),
)


def check_whole(run: Path) -> None:
    """Every file that is there can be read, and nothing is half a file."""
    for path in run.rglob("*"):
        assert not path.name.endswith(".part"), path
        match path.suffix:
            case ".ckpt":
                torch.load(path, weights_only=True)
            case ".json":
                json.loads(path.read_text())
            case ".yaml":
                assert yaml.safe_load(path.read_text())
    if (run / "per_image.csv").exists():
        assert len(Records.read(run / "per_image.csv").name) == 8


@pytest.fixture
def started(
    tmp_path: Path, environment: dict[str, str]
) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a verb in a process group of its own, as a terminal does, and go on when it trains."""
    groups = []

    def start(*words: str, until: str = "run/metrics.csv") -> subprocess.Popen:
        command = subprocess.Popen(
            [sys.executable, "-m", f"covseg.{words[0]}", *words[1:]],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            # a process that a script starts with & would ignore SIGINT
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        groups.append(command.pid)
        deadline = time.monotonic() + 90
        while not (tmp_path / until).exists() and time.monotonic() < deadline:
            assert command.poll() is None, command.communicate()[1]
            time.sleep(0.05)
        return command

    yield start
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_a_learning_rate_that_breaks_the_weights(said, tmp_path):
    words = ("optimizer=sgd", "model.norm=none", "optimizer.lr=1000", "callbacks=none")
    said.refused(*DEBUG, *words, leaves="run")
    check_whole(tmp_path / "run")


def test_early_stopping_before_the_first_validation(said, tmp_path):
    words = ("trainer.max_epochs=9", "trainer.check_val_every_n_epoch=9")
    said.refused(*DEBUG, *words, *IMPATIENT, leaves="run")
    check_whole(tmp_path / "run")


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.nightly), 2])
def test_ctrl_c_once_finishes_the_batch_saves_and_scores(workers, started, tmp_path):
    command = started(*DEBUG, *LONG, f"data.num_workers={workers}")
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "Traceback" not in err
    assert err.count("Ctrl-C: finishing and saving this batch") == 1
    assert err.strip().endswith("stopped by SIGINT")
    assert "rmse_per_image" in out
    run = tmp_path / "run"
    check_whole(run)
    epochs = len((run / "metrics.csv").read_text().splitlines()) - 1
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    place = last["covseg"]["progress"]
    assert place["epoch"] == epochs  # the epoch that was cut short goes on one day
    noted = json.loads((run / "provenance.json").read_text())
    where = f"batch {place['batch']} of epoch {epochs + 1}" if place["batch"] else f"epoch {epochs}"
    assert noted["interrupted"] == f"after {where}"
    assert "finished" not in noted
    assert math.isfinite(
        json.loads((run / "summary.json").read_text())["scores"]["rmse_per_image"]["value"]
    )


def test_ctrl_c_twice_stops_at_once_and_keeps_the_last_epoch(started, tmp_path):
    command = started(*DEBUG, *LONG)
    # a heavy report, so that the second one does not come after the end
    os.killpg(command.pid, signal.SIGINT)
    time.sleep(0.05)
    began = time.monotonic()
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert command.returncode == 130, err
    assert "Traceback" not in err
    check_whole(tmp_path / "run")
    assert not (tmp_path / "run" / "summary.json").exists()


def test_ctrl_c_stops_a_sweep(started, tmp_path):
    words = ("experiment=debug", "hydra.sweep.dir=sweep", "seed=0,1", *LONG)
    command = started("train", "-m", *words, until="sweep/0/metrics.csv")
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 130, err
    assert "Traceback" not in err
    assert (tmp_path / "sweep" / "0" / "summary.json").exists()
    assert not (tmp_path / "sweep" / "1").exists()


def test_ctrl_c_while_data_is_drawn_leaves_nothing(started, tmp_path):
    words = ("data.phantom.n_images={Train:3000}", "data.cache_dir=cache")
    command = started(*DEBUG, *words, until="run/train.log")
    while not list((tmp_path).glob("cache/*.part")):
        time.sleep(0.02)
    os.killpg(command.pid, signal.SIGINT)
    _, err = command.communicate(timeout=30)
    assert command.returncode == 130, err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".lock"}


def test_batches_without_any_infection_and_classes_of_one_image(verb, tmp_path):
    words = ("data.batch_size=1", "data.phantom.n_images={Train:4,Val:4,Test:4}")
    for loss in ("bce", "dice", "focal", "tversky", "bce_dice"):
        done = verb("train", "experiment=debug", f"loss={loss}", *words, f"hydra.run.dir={loss}")
        assert done.code == 0, done.err
        scores = json.loads((tmp_path / loss / "summary.json").read_text())["by_class"]["Normal"]
        assert scores["dice_positive"] == {"value": None, "low": None, "high": None}
        assert 0 <= scores["rmse_per_image"]["value"] <= 1
