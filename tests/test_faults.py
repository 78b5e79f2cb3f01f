"""Sweeps and processes, and what becomes of them when something dies.

Each row: one folder and one log a job, no process left after 8 s, an exit code that tells the
truth. ``COVSEG_FAULTS`` is how often each kill is repeated, at random moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

N_REPEATS = int(os.environ.get("COVSEG_FAULTS", "1"))
SECONDS = 8.0  # until nothing of a run is left
TINY = ("experiment=debug", "callbacks=none", "hydra.sweep.dir=sweep")
LONG = (*TINY, "trainer.max_epochs=5000")


@dataclass
class Command:
    """A sweep in ``home``, in a session of its own."""

    home: Path
    process: "subprocess.Popen[str]"

    def say(self, number: int) -> None:
        self.process.send_signal(number)

    def trains(self) -> bool:
        return any(self.home.glob("sweep/*/metrics.csv"))

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=240)
        return self.process.returncode, err

    def left(self) -> list[str]:
        """The command lines of processes of this sweep; loaders and ranks have its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                here = (path / "cwd").readlink() == self.home
            except OSError:
                continue
            if here and "covseg" in words:
                found.append(words)
        return found

    def ranks(self) -> list[int]:
        found = subprocess.run(
            ["pgrep", "-f", f"covseg.run.worker train {self.home}"], capture_output=True, text=True
        )
        return [int(pid) for pid in found.stdout.split()]


@pytest.fixture
def sweep(tmp_path: Path, phantom_cache: Path) -> Iterator[Callable[..., Command]]:
    started = []

    def start(*words: str) -> Command:
        process = subprocess.Popen(
            [sys.executable, "-m", "covseg.train", "-m", *words],
            cwd=tmp_path,
            env=os.environ | {"COVSEG_CACHE": str(phantom_cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(Command(tmp_path, process))
        return started[-1]

    yield start
    for command in started:
        command.process.kill()
        for pid in command.ranks():
            os.kill(pid, signal.SIGKILL)


def check_jobs(home: Path, finished: set[str], begun: set[str] = frozenset()) -> None:
    """One folder and one log a job; nothing else."""
    jobs = {path.name for path in (home / "sweep").iterdir() if path.is_dir()}
    assert jobs == finished | begun
    for job in jobs:
        assert [path.name for path in (home / "sweep" / job).glob("*.log")] == ["train.log"]
        assert (home / "sweep" / job / "summary.json").exists() == (job in finished)
        assert not list((home / "sweep" / job).glob("*.part"))


def check_gone(command: Command) -> None:
    deadline = time.monotonic() + SECONDS
    while command.left() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not command.left()


@pytest.mark.parametrize(
    ("words", "n_jobs"),
    [
        (("trainer.devices=1,2",), 2),
        (("trainer.devices=2,1",), 2),
        (("model=unet2,unet3", "model.base_channels=2", "trainer.devices=2"), 2),
    ],
    ids=["1,2", "2,1", "models on two processes"],
)
def test_any_mixture_of_processes(words, n_jobs, sweep):
    command = sweep(*TINY, *words)
    code, err = command.end()
    assert code == 0, err
    check_jobs(command.home, {str(n) for n in range(n_jobs)})
    check_gone(command)


@pytest.mark.parametrize("devices", [1, 2])
def test_a_job_that_fails(devices, sweep):
    command = sweep(*TINY, f"trainer.devices={devices}", "data.phantom.n_images.Train=2,16")
    code, err = command.end()
    assert code == 1
    assert "Traceback" not in err
    assert "1 of 2 jobs failed, the others are done" in err.splitlines()[-1]
    check_jobs(command.home, {"1"})
    check_gone(command)


FAULTS = {
    "Ctrl-C": (signal.SIGINT, 130),
    "SIGTERM": (signal.SIGTERM, 75),
    "kill -9 of the command": (signal.SIGKILL, -9),
    "kill -9 of a rank": (None, 1),
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_fault_leaves(fault, devices, sweep, tmp_path):
    number, expected = FAULTS[fault]
    if number is None and devices == 1:
        pytest.skip("one process is no rank")
    chance = random.Random(0 if N_REPEATS == 1 else time.time_ns())
    for repeat in range(N_REPEATS):
        seconds_job = "seed=0,1" if number else "trainer.max_epochs=5000,1"
        words = [word for word in LONG if number or "max_epochs" not in word]
        words = [word.replace("=sweep", f"=sweep{repeat}/sweep") for word in words]
        command = sweep(*words, seconds_job, f"trainer.devices={devices}")
        command.home = tmp_path / f"sweep{repeat}"
        deadline = time.monotonic() + 120
        while not command.trains() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 2))
        if number:
            command.say(number)
        else:
            os.kill(chance.choice(command.ranks()), signal.SIGKILL)
        code, err = command.end()
        assert code == expected, err
        assert "Traceback" not in err
        scored = fault == "Ctrl-C" and devices == 1
        rest = {"1"} if number is None else set()
        check_jobs(command.home, ({"0"} if scored else set()) | rest, set() if scored else {"0"})
        command.home = tmp_path
        check_gone(command)
        if number is None:
            assert "was killed from outside (SIGKILL)" in " ".join(err.split())
        print(f"{fault}, {devices} process(es): exit code {code}, nothing left")
