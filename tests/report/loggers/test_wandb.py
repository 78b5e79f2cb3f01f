"""W&B as it is used: real runs, wandb's own uploads, and a server that keeps what arrives."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import Outcome, run_command
from wandb_server import Run, WandbServer, wandb_server

pytestmark = pytest.mark.long

DEBUG = ("experiment=debug", "logger=wandb", "trainer.log_every_n_steps=1")
ONLINE = (*DEBUG, "logger.wandb.offline=false")


@pytest.fixture
def server() -> Iterator[WandbServer]:
    with wandb_server() as server:
        yield server


@pytest.fixture
def home(tmp_path, monkeypatch):
    """No settings and no key of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def synced(server: WandbServer, run: Path) -> Run:
    """Upload an offline run with wandb's own program."""
    (offline,) = run.glob("wandb/offline-run-*")
    command = [str(Path(sys.executable).with_name("wandb")), "sync", str(offline)]
    done = subprocess.run(
        command, env=os.environ | server.environment, capture_output=True, text=True, cwd=run
    )
    assert done.returncode == 0, done.stderr
    return server.run(offline.name.rpartition("-")[2])


@dataclass(frozen=True)
class Arrived:
    """An offline run and what its upload has brought."""

    home: Path
    said: Outcome
    run: Run
    server: WandbServer

    def rows(self, file: str) -> list[dict[str, str]]:
        with (self.home / "run" / file).open() as opened:
            return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def arrived(tmp_path_factory, phantom_cache) -> Iterator[Arrived]:
    home = tmp_path_factory.mktemp("arrived")
    # with this learning rate an epoch before the last one is the best
    words = (*DEBUG, "optimizer.lr=0.3", "trainer.max_epochs=3", "logger.wandb.log_model=true")
    words += ("logger.wandb.gradients=true",)
    done = run_command(
        *("train", *words, "hydra.run.dir=run"), cwd=home, cache=phantom_cache, HOME=f"{home}/home"
    )
    assert done.code == 0, done.err
    with wandb_server() as server:
        yield Arrived(home, done, synced(server, home / "run"), server)


def test_an_offline_run_says_nothing_of_wandb_and_ends_with_its_folder(arrived):
    assert "wandb" not in arrived.said.err + arrived.said.out
    assert arrived.said.out.rstrip().endswith(f"run folder: {arrived.home}/run")


def test_the_curves_are_those_of_metrics_csv_with_epochs_from_1(arrived):
    run, epochs = arrived.run, arrived.rows("metrics.csv")
    assert (run.project, run.name, run.exit_code) == ("covseg", "run", 0)
    for name in epochs[0].keys() - {"epoch", "step", "lr"}:
        expected = {int(row["step"]): float(row[name]) for row in epochs if row[name]}
        assert dict(run.column(name)) == pytest.approx(expected), name
        assert len(run.column(name)) == len(expected)
    assert [row["epoch"] for row in run.history if "val/loss" in row] == [1, 2, 3]
    assert [step for step, _ in run.column("train/loss_step")] == list(range(1, 13))
    assert {rate for _, rate in run.column("train/lr")} == {0.3}
    assert any("gradients/" in name for row in run.history for name in row)
    assert run.config["model"]["depth"] == 2
    assert run.config["provenance"]["command"].startswith("python -m covseg.train")
    names = {name.partition("/")[0] for row in run.history for name in row}
    assert not names & {"loss", "rmse", "lr-Adam"}


def test_the_summary_is_that_of_the_reported_checkpoint(arrived):
    summary = arrived.run.summary
    written = json.loads((arrived.home / "run" / "summary.json").read_text())
    for name, entry in written["scores"].items():
        bounds = {bound: summary.get(f"Test/{name}_{bound}") for bound in ("low", "high")}
        assert {"value": summary.get(f"Test/{name}"), **bounds} == entry
    for baseline, of in written["baselines"].items():
        for name, value in of["scores"].items():
            assert summary.get(f"Test/baselines/{baseline}/{name}") == value
    epochs = arrived.rows("metrics.csv")
    best = min(epochs, key=lambda row: float(row["val/rmse_per_image"]))
    assert best is not epochs[-1]
    assert summary["epoch"] == int(best["epoch"])
    assert summary["val/dice_all"] == pytest.approx(float(best["val/dice_all"]))
    assert summary["objective"] == written["objective"]["value"]
    assert summary["status"] == "finished"


def test_the_images_arrive_with_truth_and_prediction(arrived):
    columns, rows, files = table_of(arrived.server, "Testimages")
    written = arrived.rows("per_image.csv")
    assert [row[0] for row in rows] == [row["name"] for row in written]
    truth, predicted = columns.index("truth pixels"), columns.index("predicted pixels")
    for row, of in zip(rows, written, strict=True):
        overlay = row[columns.index("overlay")]
        masks = {
            name: np.asarray(Image.open(BytesIO(files[mask["path"]])))
            for name, mask in overlay["masks"].items()
        }
        assert masks["truth"].sum() == row[truth] == int(of["truth_pixels"])
        # resized as a picture, not as a score
        assert abs(int(masks["prediction"].sum()) - row[predicted]) <= 20
        assert row[predicted] == int(of["tp"]) + int(of["fp"])


def test_files_and_checkpoint_arrive_and_nothing_is_left_in_the_home_folder(arrived):
    expected = {f"covseg/{name}" for name in ("config.yaml", "summary.json", "train.log")}
    assert expected <= set(arrived.run.files)
    artifacts = arrived.server.artifacts
    (checkpoint,) = [files for name, files in artifacts.items() if "checkpoint" in name]
    best = arrived.home / "run" / "checkpoints" / "best.ckpt"
    assert checkpoint["best.ckpt"] == best.read_bytes()
    assert not list((arrived.home / "home").rglob("staging/*"))
    assert arrived.server.unknown == []


def table_of(server: WandbServer, part: str) -> tuple[list[str], list[list[Any]], dict[str, bytes]]:
    """Columns and rows of a table that has arrived, and the files beside it."""
    ((_, files),) = [(n, f) for n, f in server.artifacts.items() if part in n]
    (name,) = [name for name in files if name.endswith("table.json")]
    table = json.loads(files[name])
    return table["columns"], table["data"], files


def started(words: Sequence[str], home: Path, known: dict[str, str]) -> "subprocess.Popen[str]":
    """A training in a process of its own, which Ctrl-C can reach."""
    return subprocess.Popen(
        [sys.executable, "-m", "covseg.train", *words],
        cwd=home,
        env=known | {"HOME": str(home / "home")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for(process: "subprocess.Popen[Any]", happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def said(home: Path, line: str) -> bool:
    log = home / "run" / "train.log"
    return log.exists() and line in log.read_text()


@pytest.mark.nightly  # a minute: four runs
def test_a_run_that_was_killed_twice_is_one_history_without_gap_or_double(
    server, home, command, environment
):
    words = (*DEBUG, "data.phantom.n_images={Train:48,Val:8,Test:8}", "trainer.max_epochs=4")
    words += ("callbacks.checkpoint_every_n_steps=5",)
    assert command("train", *words, "hydra.run.dir=whole").code == 0
    for n, start in enumerate((["hydra.run.dir=run", *words], ["resume=run"]), 1):
        process = started(start, home, environment)
        wait_for(process, lambda n=n: said(home, f"epoch {n}:"))
        process.kill()
        process.wait()
    assert command("train", "resume=run").code == 0
    whole, killed = synced(server, home / "whole"), synced(server, home / "run")
    names = {name for row in whole.history for name in row if "/" in name} - {"trainer/global_step"}
    curves = {name for name in names if name.startswith(("train/", "val/"))}
    assert len(curves) > 15
    for name in curves:
        assert killed.column(name) == whole.column(name), name
    assert len(killed.column("train/loss_step")) == 48
    assert [row["pictures"]["count"] for row in killed.history if "pictures" in row] == [1] * 4
    same = {name for name in whole.summary if not name.startswith("_") and name != "status"}
    assert {n: killed.summary[n] for n in same if isinstance(whole.summary[n], float)} == {
        n: whole.summary[n] for n in same if isinstance(whole.summary[n], float)
    }


@pytest.mark.nightly  # half a minute
def test_each_job_of_a_sweep_is_one_run_of_one_group(server, home, command):
    done = command(
        *(
            "train",
            "-m",
            *ONLINE,
            "hydra.sweep.dir=s",
            "trainer.max_epochs=6",
            "optimizer=sgd",
            "optimizer.lr=1e-3,1e-2,1000",
        ),
        **server.environment,
    )
    assert done.code == 1
    runs = list(server.runs.values())
    assert [run.name for run in runs] == ["lr=0.001", "lr=0.01", "lr=1000"]
    assert {(run.group, run.job_type) for run in runs} == {("s", "sweep")}
    assert [run.exit_code for run in runs] == [0, 0, 1]
    assert [run.summary.get("status") for run in runs] == ["finished", "finished", "failed"]
    assert server.unknown == []


@pytest.mark.nightly  # a quarter of a minute
def test_ctrl_c_is_told_apart_from_a_failure(server, home, environment):
    words = (*ONLINE, "hydra.run.dir=run", "trainer.max_epochs=1000")
    process = started(words, home, environment | server.environment)
    wait_for(process, lambda: said(home, "epoch 1:"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = server.runs.values()
    assert run.exit_code == 255  # which W&B shows as "killed", not as "failed"
    assert run.summary["status"] == "interrupted"
    assert "Test/dice_all" in run.summary


NIGHTLY = [
    pytest.param(how, marks=pytest.mark.nightly)
    for how in ("401", "a wrong key", "closed", "500", "hang")
]


@pytest.mark.parametrize("how", ["no key", *NIGHTLY])
def test_without_a_server_a_run_goes_on_offline_and_says_so_in_time(how, server, home, command):
    if how in {"hang", "500", "401"}:
        server.mode = how
    known = dict(server.environment)
    if how == "closed":
        known["WANDB_BASE_URL"] = "http://127.0.0.1:9"
    if how == "a wrong key":
        known["WANDB_API_KEY"] = "short"
    if how == "no key":
        del known["WANDB_API_KEY"]
    done = command("train", *ONLINE, "hydra.run.dir=run", **known)
    assert done.code == 0, done.err
    assert "W&B cannot be used online (" in done.err
    assert "run/wandb/offline-run-* uploads it later" in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    log = (home / "run" / "train.log").read_text()
    provenance = json.loads((home / "run" / "provenance.json").read_text())
    began = datetime.fromisoformat(provenance["started"])
    line = next(line for line in log.splitlines() if "W&B cannot" in line)
    said = datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S").astimezone()
    assert (said - began).total_seconds() < 20
    server.mode = "ok"
    assert synced(server, home / "run").exit_code == 0


@pytest.mark.nightly  # half a minute, most of it spent waiting
def test_a_server_that_dies_while_training_costs_its_limit_at_the_end(server, home, environment):
    words = (*ONLINE, "hydra.run.dir=run", "trainer.max_epochs=40")
    process = started(words, home, environment | server.environment)
    wait_for(process, lambda: said(home, "epoch 1:"))
    server.mode = "hang"
    assert process.wait(120) == 0
    assert "`wandb sync`" in process.stderr.read()
    times = json.loads((home / "run" / "provenance.json").read_text())
    assert times["finished"]
