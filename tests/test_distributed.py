"""Two and three real processes: every image counted once, one folder, one log, the same scores."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long


def records(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "per_image.csv").open()))


@pytest.mark.nightly  # twenty seconds; training on two processes is tested for every change
@pytest.mark.parametrize("devices", [2, 3])
def test_evaluation_is_the_same_with_any_number_of_processes(
    devices: int, finished_run: Path, command: Callable, tmp_path: Path
) -> None:
    words = [f"run={finished_run}", f"trainer.devices={devices}", "hydra.run.dir=e"]
    done = command("evaluate", *words)
    assert done.code == 0, done.err
    assert not (tmp_path / "e" / "ranks").exists()
    one, many = records(finished_run), records(tmp_path / "e")
    labels = [(r["split"], r["patient_class"], r["name"], r["target"]) for r in many]
    assert labels == sorted(set(labels))
    assert len(many) == len(one)
    for a, b in zip(one, many, strict=True):
        for field in ("absolute_error", "squared_error"):
            assert float(a[field]) == pytest.approx(float(b[field]), rel=1e-6)
    scores = [
        json.loads((r / "summary.json").read_text())["scores"]
        for r in (finished_run, tmp_path / "e")
    ]
    for name in ("rmse_per_image", "rmse_pooled", "mae"):
        assert scores[0][name]["value"] == pytest.approx(scores[1][name]["value"], abs=1e-6)


def test_training_on_two_processes_is_one_run(command: Callable, tmp_path: Path) -> None:
    words = ["experiment=debug", "trainer.devices=2", "trainer.max_epochs=3", "optimizer.lr=0.05"]
    done = command("train", *words, "hydra.run.dir=run", measured=True)
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert len(records(run)) == 8
    assert [path.name for path in run.glob("*.log")] == ["train.log"]
    log = (run / "train.log").read_text()
    assert log.count("epoch 1:") == 1
    assert "2 process(es): 8 images per step" in log
    assert not (run / "ranks").exists()
    assert done.out.count("run folder:") == 1
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["hardware"]["processes"] == 2
    # with batch norm each process has statistics of its own, a checkpoint only one: Val is scored
    # as its checkpoint will be
    assert done.err.count("batch norm has statistics of its own in each process") == 1
    table = list(csv.DictReader((run / "metrics.csv").open()))
    best = min(float(row["val/rmse_per_image"]) for row in table)
    objective = json.loads((run / "summary.json").read_text())["objective"]["value"]
    assert objective == pytest.approx(best, abs=1e-6)


@pytest.mark.nightly  # twenty seconds
def test_a_refusal_in_a_process_is_one_sentence_of_the_command(
    command: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", "trainer.devices=2", "data.phantom.n_images.Test=1"]
    done = command("train", *words, "hydra.run.dir=run", measured=True)
    assert done.code == 1
    assert "Traceback" not in done.err
    *_, sentence = done.err.strip().splitlines()
    assert sentence == (
        "trainer.devices=2 is more than the 1 images of Test: set trainer.devices=1 or less."
    )
    assert not (tmp_path / "run").exists()


@pytest.fixture
def spoilt(command: Callable, tmp_path: Path) -> Callable:
    """Two processes that run a program of the test's before their own."""

    def run(program: str) -> Any:
        (tmp_path / "sitecustomize.py").write_text(program)
        words = ("train", "experiment=debug", "trainer.devices=2", "hydra.run.dir=run")
        return command(*words, measured=True, PYTHONPATH=str(tmp_path))

    return run


@pytest.mark.nightly
def test_a_crash_in_a_process_is_named_and_its_log_kept(spoilt: Callable, tmp_path: Path) -> None:
    done = spoilt(
        "import os, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import torch.nn\n"
        "    def broken(*_, **__):\n"
        "        raise ValueError('the second process broke')\n"
        "    torch.nn.Conv2d.forward = broken\n"
    )
    assert done.code == 1
    *_, sentence = done.err.strip().splitlines()
    assert "the second process broke" in sentence
    log = (tmp_path / "run" / "train.log").read_text()
    assert "process 1 failed\nTraceback" in log
    assert not (tmp_path / "run" / "ranks").exists()


@pytest.mark.nightly  # a quarter of a minute
def test_the_process_that_fails_first_is_named_and_the_log_kept(
    spoilt: Callable, tmp_path: Path
) -> None:
    """Protects: torchrun ends the other with SIGTERM, which is not what has happened.

    A run folder in which work has not begun is removed, but never with the traceback in its log.
    """
    done = spoilt(
        "import os, sys\n"
        "if os.environ.get('RANK') in ('0', '1'):\n"
        "    from covseg.measure import baselines\n"
        "    def fit(*_, **__):\n"
        "        import time\n"
        "        time.sleep(60)\n"
        "    baselines.fit = fit\n"
        "    from covseg.data.datamodule import XrayDataModule\n"
        "    check = XrayDataModule.check\n"
        "    def checked(self):\n"
        "        if os.environ['RANK'] == '1':\n"
        "            raise ValueError('the second process broke')\n"
        "        check(self)\n"
        "    XrayDataModule.check = checked\n"
    )
    assert done.code == 1, done.err
    run = tmp_path / "run"
    sentence = "process 1 of this run failed (ValueError: the second process broke)"
    assert done.err.splitlines()[-1] == f"{sentence}: see the log in {run}."
    assert "stopped" not in done.err
    assert "Traceback (most recent call last)" in (run / "train.log").read_text()
    assert not (run / "ranks").exists()


def test_two_processes_learn_what_one_learns_with_the_whole_batch(
    command: Callable, verb: Callable, tmp_path: Path
) -> None:
    """Protects: N devices at batch B are one device at batch N*B, gradient for gradient."""
    words = ["experiment=debug", "callbacks=none", "augment=none", "model.norm=group"]
    words += ["trainer.max_epochs=4", "optimizer=sgd", "optimizer.lr=0.1", "logger=none"]
    words += ["data.phantom.n_images={Train:27,Val:7,Test:5}"]  # odd, and a batch that is dropped
    curves = []
    for devices, batch in ((1, 8), (2, 4)):
        out = f"run{devices}"
        more = [f"trainer.devices={devices}", f"data.batch_size={batch}", f"hydra.run.dir={out}"]
        done = (command if devices > 1 else verb)("train", *words, *more)
        assert done.code == 0, done.err
        assert f"batches of {batch} on {devices} process(es): 8 images per step" in done.err
        table = list(csv.DictReader((tmp_path / out / "metrics.csv").open()))
        names = ("train/loss", "train/rmse", "val/loss", "val/rmse_per_image")
        curves.append([float(row[name]) for row in table for name in names])
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    assert max(curves[0]) - min(curves[0]) > 0.01  # something was learnt
