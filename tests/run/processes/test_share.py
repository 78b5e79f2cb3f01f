"""Jobs at a time on one machine: no two have the same GPU unless that was asked for."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from configurations import composed
from covseg.config.trainer import Trainer
from covseg.run.processes.share import machine_share
from covseg.validation import check

GPUS = Path(__file__).parents[2] / "gpus"


@pytest.fixture
def settings():
    values = composed("train", ["experiment=debug"])["trainer"]
    return lambda **changes: check(Trainer, values | changes)


@pytest.fixture
def gpus(monkeypatch, tmp_path):
    """As if the machine had this many GPUs; locks are in a folder of the test."""

    def be(n_gpus: int, visible: str = "") -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(n_gpus))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    return be


def test_jobs_at_a_time_have_different_gpus(settings, gpus):
    gpus(4)
    one = settings(devices=1)
    with (
        machine_share(one, 1, n_jobs=3) as first,
        machine_share(settings(devices=2), 2, n_jobs=-1) as second,
        machine_share(one, 1, n_jobs=4) as third,
    ):
        held = [share["CUDA_VISIBLE_DEVICES"] for share in (first, second, third)]
    assert held == ["0", "1,2", "3"]
    with machine_share(one, 1, n_jobs=3) as again:
        assert again["CUDA_VISIBLE_DEVICES"] == "0"


def test_more_jobs_than_gpus_share_them_evenly(settings, gpus):
    gpus(2)
    shares = [machine_share(settings(), 1, n_jobs=4) for _ in range(4)]
    held = [share.__enter__()["CUDA_VISIBLE_DEVICES"] for share in shares]
    assert held == ["0", "1", "0", "1"]
    for share in shares:
        share.__exit__(None, None, None)


def test_only_gpus_that_this_process_may_use_are_given_away(settings, gpus):
    gpus(2, visible="5, GPU-3a")
    with machine_share(settings(), 2, n_jobs=1) as share:
        assert share["CUDA_VISIBLE_DEVICES"] == "5,GPU-3a"


def test_no_gpu_is_held_for_a_job_that_names_its_own_or_is_alone_or_on_a_cpu(settings, gpus):
    gpus(2)
    for chosen in (settings(devices=[1]), settings(accelerator="cpu")):
        with machine_share(chosen, 1, n_jobs=2) as share:
            assert [*share] == ["OMP_NUM_THREADS"]
    with machine_share(settings(), 1, n_jobs=None) as share:
        assert "CUDA_VISIBLE_DEVICES" not in share


@pytest.mark.parametrize(("n_processes", "n_threads"), [(1, "6"), (2, "3"), (4, "1"), (9, "1")])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_processes_of_a_job_divide_its_threads(
    n_processes, n_threads, n_jobs, settings, monkeypatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    with machine_share(settings(accelerator="cpu"), n_processes, n_jobs) as share:
        assert share == {"OMP_NUM_THREADS": n_threads}


def test_a_number_of_threads_that_was_set_stays(settings, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with machine_share(settings(accelerator="cpu"), 2, n_jobs=None) as share:
        assert share == {}


HOLD = """
import sys, time, torch
torch.cuda.is_available, torch.cuda.device_count = (lambda: True), (lambda: 1)
from configurations import composed
from covseg.config.trainer import Trainer
from covseg.run.processes.share import machine_share
from covseg.validation import check
settings = check(Trainer, composed("train", ["experiment=debug"])["trainer"])
with machine_share(settings, 1, n_jobs=1) as share:
    print(share["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(60)
"""


def test_a_killed_process_frees_its_gpu_for_one_that_waits(tmp_path, environment):
    environment |= {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    start = lambda: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE, text=True
    )
    with start() as first:
        assert first.stdout.readline() == "0\n"
        with start() as second:
            time.sleep(0.1)
            first.send_signal(signal.SIGKILL)
            assert second.stdout.readline() == "0\n"
            second.kill()


@pytest.mark.nightly  # half a minute
@pytest.mark.skipif(sys.platform != "linux", reason="a job's own processes need Linux")
def test_two_jobs_at_a_time_have_a_gpu_each(command, tmp_path):
    """A joblib process does several jobs, which would share CUDA if they worked in it."""
    paths = os.pathsep.join([str(GPUS), os.environ.get("PYTHONPATH", "")])
    ranks = tmp_path / "ranks.txt"
    done = command(
        *("train", "-m", "experiment=debug", "callbacks=none", "seed=0,1,2"),
        "hydra.sweep.dir=sweep",
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
        PYTHONPATH=paths,
        COVSEG_TEST_RANKS=str(ranks),
        TMPDIR=str(tmp_path),
    )
    assert done.code == 0, done.err
    lines = sorted(line.split() for line in ranks.read_text().splitlines())
    assert len(lines) == 6
    by_gpu = {gpu: [what for _, what, its, _ in lines if its == gpu] for gpu in ("0", "1")}
    for of_gpu in by_gpu.values():  # one after the other
        assert of_gpu == ["begins", "ends"] * (len(of_gpu) // 2)
    assert {what for _, what, *_ in lines[:2]} == {"begins"}  # two at a time
    with (tmp_path / "sweep" / "sweep.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == 3 * ["finished"]
