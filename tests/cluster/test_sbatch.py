"""The README's batch script: what ends early is requeued and goes on as if nothing had happened."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.results import TRAIN, assert_same_result
from cluster.slurm import Slurm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

REASONS = {  # options of sbatch, and epochs of which some are left when the signal arrives
    "time limit": (("--time=1", "--signal=USR1@5"), 200),  # Slurm sends it up to a minute early
    "preemption": (("--signal=USR1@5",), 60),
    "preemption by SIGTERM": ((), 60),
}


README = Path(__file__).resolve().parents[2] / "README.md"


def script(*words: str) -> str:
    """The README's without its options, with a command of the test's."""
    [block] = re.findall(r"^ {4}#!/bin/bash\n(?:^ {4}.+\n)+", README.read_text(), re.M)
    command = " ".join(f"'{word}'" for word in (sys.executable, "-m", "covseg.train", *words))
    own = re.sub(r"^#SBATCH.*\n", "", textwrap.dedent(block), flags=re.M)
    changed, n = re.subn(r"python -m .*", lambda _: command, own)
    assert n == 1, block
    return changed


@pytest.mark.parametrize("reason", REASONS)
def test_a_job_that_ends_early_goes_on(
    reason: str, slurm: Slurm, tmp_path: Path, phantom_cache: Path
) -> None:
    options, epochs = REASONS[reason]
    words = (*TRAIN, f"trainer.max_epochs={epochs}", f"data.cache_dir={phantom_cache}")
    in_queue = (*words, "hydra.run.dir=runs/first", "resume=auto")
    job = slurm.submit(script(*in_queue), tmp_path, "--requeue", "--open-mode=append", *options)
    alone = [sys.executable, "-m", "covseg.train", *words, "hydra.run.dir=uninterrupted"]
    with subprocess.Popen(alone, cwd=tmp_path) as uninterrupted:
        if reason != "time limit":
            slurm.preempt_when(job, (tmp_path / "runs" / "first" / "metrics.csv").exists)
        assert slurm.see_through(job) > 0
    assert uninterrupted.returncode == 0
    [run] = (tmp_path / "runs").iterdir()
    assert "stopped after" in (run / "train.log").read_text()
    assert_same_result(run, tmp_path / "uninterrupted")


def test_tasks_on_two_nodes_are_one_run(
    slurm: Slurm, command: Callable, tmp_path: Path, phantom_cache: Path
) -> None:
    words = ("experiment=debug", "callbacks=none", f"data.cache_dir={phantom_cache}")
    nodes = ("--nodes=2", "--ntasks-per-node=1")
    slurm.wait(slurm.submit(script(*words, "hydra.run.dir=nodes"), tmp_path, *nodes), "COMPLETED")
    assert "num_nodes: 2" in (tmp_path / "nodes" / "config.yaml").read_text()
    on_one = command("train", *words, "trainer.devices=2", "hydra.run.dir=processes")
    assert on_one.code == 0, on_one.err
    assert_same_result(tmp_path / "nodes", tmp_path / "processes")
