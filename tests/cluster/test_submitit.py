"""Sweeps whose jobs are jobs of a real Slurm: ``hydra/launcher=slurm`` and ``slurm_nodes``."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.results import TRAIN, assert_same_result
from cluster.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

pytest.importorskip("submitit", reason="pip install -e '.[slurm]'")

NO_GPU = (
    *("hydra.launcher.gpus_per_node=null", "hydra.launcher.mem_gb=null"),
    *("hydra.launcher.cpus_per_task=1", "hydra.sweep.dir=sweep"),
)


@pytest.fixture
def train(slurm: Slurm, environment: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """Start a command that submits jobs."""

    def start(*words: str, **more: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "covseg.train", *words],
            cwd=tmp_path,
            env=environment | slurm.environment | more,
            stderr=(tmp_path / "err.txt").open("a"),
        )

    return start


def test_of_eight_jobs_one_fails(train: Callable, tmp_path: Path) -> None:
    words = ("experiment=debug", "callbacks=none", "data.batch_size=1,2,3,4,5,6,8,64")
    with train("-m", *words, "hydra/launcher=slurm", *NO_GPU) as sweep:
        pass
    assert sweep.returncode == 1
    *_, sentence = (tmp_path / "err.txt").read_text().splitlines()
    assert sentence.startswith("1 of 8 jobs failed, the others are done")
    rows = list(csv.DictReader((tmp_path / "sweep" / "sweep.csv").open()))
    assert [row["status"] for row in rows] == ["finished"] * 7 + ["failed"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*NO_GPU, "hydra.launcher.partition=nowhere"), "invalid partition"),
        (("hydra.sweep.dir=sweep", "trainer.devices=auto"), "'auto'"),
    ],
)
def test_what_slurm_refuses_is_one_sentence(
    words: tuple[str, ...], reason: str, train: Callable, tmp_path: Path
) -> None:
    with train("-m", "experiment=debug", "seed=0,1", "hydra/launcher=slurm", *words) as sweep:
        pass
    assert sweep.returncode == 1
    said = (tmp_path / "err.txt").read_text()
    assert "hydra/launcher=slurm cannot start the jobs (" in said.splitlines()[-1]
    assert reason in said.splitlines()[-1]
    assert "Traceback" not in said


@pytest.mark.parametrize("reason", ["preemption", "preemption by SIGTERM", "time limit"])
def test_a_job_of_a_sweep_that_ends_early_goes_on(
    reason: str, train: Callable, slurm: Slurm, tmp_path: Path
) -> None:
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5")
    epochs = 200 if reason == "time limit" else 60
    words = (*TRAIN, f"trainer.max_epochs={epochs}", "seed=1", "protocol.report=Test")
    more = ("hydra/launcher=slurm", *NO_GPU, *(limit if reason == "time limit" else ()))
    run = tmp_path / "sweep" / "0"
    with train("-m", *words, *more) as sweep, train(*words, "hydra.run.dir=alone") as alone:
        job = slurm.running_job()
        if reason == "preemption":
            slurm.preempt_when(job, (run / "metrics.csv").exists)
        elif reason == "preemption by SIGTERM":
            slurm.signal_when(job, "TERM", (run / "metrics.csv").exists)
        assert slurm.see_through(job) > 0
    assert (sweep.returncode, alone.returncode) == (0, 0)
    signal = "SIGTERM" if "SIGTERM" in reason else "SIGUSR2"
    assert f"stopped by {signal}" in (run / "train.log").read_text()
    assert_same_result(run, tmp_path / "alone")


def test_a_job_that_is_cancelled_stays_so(train: Callable, slurm: Slurm, tmp_path: Path) -> None:
    run = tmp_path / "sweep" / "0"
    with train("-m", *TRAIN, "trainer.max_epochs=900", "hydra/launcher=slurm", *NO_GPU) as sweep:
        job = slurm.running_job()
        slurm.signal_when(job, "KILL", (run / "metrics.csv").exists)
    assert sweep.returncode == 1
    assert slurm.show(job, "JobState") == "CANCELLED"
    assert (run / "checkpoints" / "last.ckpt").exists()
    assert "stopped by SIGTERM" in (run / "train.log").read_text()


def test_a_job_on_two_nodes_goes_on(train: Callable, slurm: Slurm, tmp_path: Path) -> None:
    words = (*TRAIN, "trainer.max_epochs=60", "protocol.report=Test", "seed=1")
    more = ("trainer.num_nodes=2", "hydra/launcher=slurm_nodes", *NO_GPU)
    run = tmp_path / "sweep" / "0"
    with train("-m", *words, *more) as sweep:
        job = slurm.running_job()
        slurm.preempt_when(job, (run / "metrics.csv").exists)
        assert slurm.see_through(job) > 0
    with train(*words, "trainer.devices=2", "hydra.run.dir=alone") as alone:
        pass
    assert (sweep.returncode, alone.returncode) == (0, 0)
    # SIGTERM where the other node received its SIGUSR2 first
    assert re.search("stopped by SIG(USR2|TERM)", (run / "train.log").read_text())
    assert_same_result(run, tmp_path / "alone")


def test_a_failure_on_one_of_two_nodes_ends_the_job(train: Callable, tmp_path: Path) -> None:
    """Protects: the other node would wait for half an hour, and the reason would be lost."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('SLURM_PROCID') == '1':\n"
        "    from covseg.data.datamodule import XrayDataModule\n"
        "    from covseg.errors import DataMissing\n"
        "    def setup(*_):\n"
        "        raise DataMissing('data.root=x.zip', 'is not on this machine', 'copy it')\n"
        "    XrayDataModule.setup = setup\n"
    )
    path = os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    more = ("trainer.num_nodes=2", "hydra/launcher=slurm_nodes", *NO_GPU)
    with train("-m", *TRAIN, *more, "seed=1", PYTHONPATH=path) as sweep:
        pass
    assert sweep.returncode == 1
    said = (tmp_path / "err.txt").read_text()
    assert "1 of 1 jobs failed" in said.splitlines()[-1]
    assert "its process ended without a message" in " ".join(said.split())
    [log] = (tmp_path / "sweep" / ".submitit").glob("*/*_1_log.out")
    assert "process 1: data.root=x.zip is not on this machine: copy it." in log.read_text()
