"""``kill -9`` at any moment, then ``resume``: bit for bit the run that was never killed.

Protects what ``resume`` is for. ``nox -s nightly`` makes 20 kills of each kind, at other moments
every time.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.long

NIGHTLY = "COVSEG_NIGHTLY" in os.environ
N_KILLS = 20 if NIGHTLY else 1
RUN = (
    *("experiment=debug", "trainer.max_epochs=14", "data.image_size=64", "augment=standard"),
    *("data.phantom.n_images={Train:48,Val:8,Test:8}", "callbacks.checkpoint_every_n_steps=2"),
)
KINDS = {
    "one process": ("scheduler=plateau", "callbacks=early_stopping"),
    "one process with loaders": ("data.num_workers=2", "scheduler=one_cycle", "callbacks=none"),
    "two processes": ("trainer.devices=2", "scheduler=one_cycle", "callbacks=none"),
    "three processes": ("trainer.devices=3", "data.batch_size=2", "callbacks=none"),
}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a checkpoint with its place; a tensor as its type and bytes."""
    if isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, torch.Tensor):
        yield path, (value.dtype, value.numpy().tobytes())
    else:
        yield path, str(value)


def content(path: Path) -> Any:
    """What a file holds, without Lightning's own counters, which covseg does not go on from."""
    if path.suffix != ".ckpt":
        return path.read_bytes()
    stored = torch.load(path, weights_only=True)
    return {key: found for key, found in leaves(stored) if not key.startswith("/loops")}


def assert_same(one: Path, other: Path) -> None:
    for name in ("metrics.csv", "per_image.csv", "summary.json", "checkpoints/last.ckpt"):
        assert content(one / name) == content(other / name), name
    best = "checkpoints/best.ckpt"
    assert content(one / best) == content(other / best)


class Killed:
    """Runs in a folder, which are started and killed."""

    def __init__(self, home: Path, environment: dict[str, str], chance: random.Random) -> None:
        self.home, self.environment, self.chance = home, environment, chance

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "covseg.train", *words],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=(self.home / "err.txt").open("ab"),
            start_new_session=True,
        )

    def finish(self, *words: str) -> float:
        began = time.monotonic()
        code = self.start(*words).wait(timeout=300)
        assert code == 0, (self.home / "err.txt").read_text()[-3000:]
        return time.monotonic() - began

    def kill(self, command: "subprocess.Popen[bytes]", until: Callable[[], bool]) -> None:
        """Wait until it trains, then a moment more, and kill it."""
        deadline = time.monotonic() + 120
        while not until() and command.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(self.chance.uniform(0, 1.5))
        os.kill(command.pid, signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL, "it was done before"


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=kind, marks=[pytest.mark.nightly] * (kind != "one process"))
        for kind, words in KINDS.items()
    ],
)
def test_a_killed_run_ends_as_if_it_had_never_been_killed(words, tmp_path, environment):
    runs = Killed(tmp_path, environment, random.Random(time.time_ns() if NIGHTLY else 0))
    runs.finish(*RUN, *words, "hydra.run.dir=whole")
    for number in range(N_KILLS):
        run = tmp_path / f"run{number}"
        command = runs.start(*RUN, *words, f"hydra.run.dir={run.name}")
        runs.kill(command, until=(run / "checkpoints").exists)
        if number % 2:  # once more, on the way
            log = run / "train.log"
            before = log.stat().st_size
            command = runs.start(f"resume={run.name}")
            runs.kill(command, until=lambda log=log, n=before: log.stat().st_size > n)
        runs.finish(f"resume={run.name}")
        assert_same(tmp_path / "whole", run)
        resumed = json.loads((run / "provenance.json").read_text()).get("resumed", [])
        places = [f"epoch {again['epoch']}, batch {again['batch']}" for again in resumed]
        print(f"kill {number + 1}: equal; went on from {'; '.join(places)}")


SWEEP = ("-m", "experiment=debug", "callbacks=none", "seed=0,1,2,3")


def table(sweep: Path) -> list[dict[str, str]]:
    """The rows of ``sweep.csv`` without the time that a job took."""
    with (sweep / "sweep.csv").open() as file:
        return [{**row, "seconds": ""} for row in csv.DictReader(file)]


@pytest.mark.nightly  # half a minute; a killed run is tested for every change
@pytest.mark.timeout(7200)
def test_a_killed_sweep_goes_on_to_the_table_of_one_that_was_never_killed(tmp_path, environment):
    runs = Killed(tmp_path, environment, random.Random(time.time_ns() if NIGHTLY else 0))
    runs.finish(*SWEEP, "hydra.sweep.dir=whole")
    for number in range(N_KILLS):
        sweep = tmp_path / f"sweep{number}"
        command = runs.start(*SWEEP, f"hydra.sweep.dir={sweep.name}")
        job = sweep / str(runs.chance.randrange(4))
        runs.kill(command, until=job.exists)
        n_rows = len(table(sweep)) if (sweep / "sweep.csv").exists() else 0
        runs.finish(*SWEEP, f"hydra.sweep.dir={sweep.name}")
        assert table(sweep) == table(tmp_path / "whole")
        print(f"kill {number + 1}: equal; sweep.csv had {n_rows} rows")
