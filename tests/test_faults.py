"""Sweeps and processes, and what becomes of them when something dies.

Each row: one folder and one log a job, no process left after 8 s, an exit code that tells the
truth. ``nox -s nightly`` repeats each kill five times, at random moments: every other one while a
network trains, the rest at any moment from the start of the command on.
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

pytestmark = pytest.mark.long

N_REPEATS = 5 if "COVSEG_NIGHTLY" in os.environ else 1
SECONDS = 8.0  # until nothing of a run is left
TINY = ("experiment=debug", "callbacks=none", "hydra.sweep.dir=sweep")


@dataclass
class Command:
    """A sweep in a folder of its own, which all of its processes are in."""

    home: Path
    process: "subprocess.Popen[str]"

    def trains(self) -> bool:
        return any(self.home.glob("sweep/*/metrics.csv"))

    def processes(self, of: str = "covseg") -> list[int]:
        """Those with these words in their command line: loaders and ranks have its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                here = (path / "cwd").readlink() == self.home
            except OSError:
                continue
            if here and of in words:
                found.append(int(path.name))
        return found

    def ranks(self) -> list[int]:
        agents = self.agents()  # name the ranks' module as well
        return [pid for pid in self.processes("covseg.run.processes.rank") if pid not in agents]

    def agents(self) -> list[int]:
        return self.processes("covseg.run.processes.torchrun")

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=240)
        return self.process.returncode, err

    def check_gone(self) -> int:
        """The number of processes that are left after 8 seconds: none."""
        deadline = time.monotonic() + SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left
        return len(left)

    def check_jobs(
        self, finished: set[str], begun: set[str] = frozenset(), killed: set[str] = frozenset()
    ) -> tuple[int, int]:
        """The numbers of folders and logs: one of each a job, and nothing else.

        Only ``kill -9`` may leave half a file, in the folder of its job.
        """
        folders = sorted(path for path in (self.home / "sweep").iterdir() if path.is_dir())
        assert {path.name for path in folders} == finished | begun
        assert {path.name for path in folders if (path / "summary.json").exists()} == finished
        logs = sorted(self.home.glob("sweep/*/*.log"))  # kill -9 leaves ranks/
        assert logs == [folder / "train.log" for folder in folders]
        halves = {path.relative_to(self.home / "sweep") for path in self.home.rglob("*.part")}
        assert {path.parts[0] for path in halves} <= killed
        return len(folders), len(logs)

    def check_beginning(self) -> tuple[int, int]:
        """The numbers of folders and logs of a sweep that ended before it trained: at most one."""
        folders, logs = (list(self.home.glob(f"sweep/{what}")) for what in ("*/", "*/*.log"))
        assert {path.name for path in folders} <= {"0"}
        assert set(logs) <= {folder / "train.log" for folder in folders}
        return len(folders), len(logs)


def wait(until: Callable[[], object], command: Command) -> None:
    deadline = time.monotonic() + 120
    while not until() and command.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture
def sweep(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Command]]:
    started = []

    def start(*words: str) -> Command:
        home = tmp_path / str(len(started))
        home.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "covseg.train", "-m", *words],
            cwd=home,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(Command(home, process))
        return started[-1]

    yield start
    for command in started:
        for pid in command.processes():
            os.kill(pid, signal.SIGKILL)


def row(what: str, folders: int, logs: int, left: int, code: int) -> None:
    print(f"| {what} | {folders} | {logs} | {left} | {code} |")


@pytest.mark.nightly
@pytest.mark.parametrize(
    "words",
    [
        ("trainer.devices=1,2",),
        ("trainer.devices=2,1",),
        ("model=unet2,unet3", "model.base_channels=2", "trainer.devices=2"),
    ],
    ids=" ".join,
)
def test_any_mixture_of_processes(words, sweep):
    command = sweep(*TINY, *words)
    code, err = command.end()
    assert code == 0, err
    row(" ".join(words), *command.check_jobs({"0", "1"}), command.check_gone(), code)


@pytest.mark.nightly
@pytest.mark.parametrize("devices", [1, 2])
def test_a_job_that_fails(devices, sweep):
    command = sweep(*TINY, f"trainer.devices={devices}", "data.phantom.n_images.Train=2,16")
    code, err = command.end()
    assert code == 1
    assert "Traceback" not in err
    assert "1 of 2 jobs failed, the others are done" in err.splitlines()[-1]
    row(f"a job fails, {devices} process(es)", *command.check_jobs({"1"}), command.check_gone(), 1)


# how a command ends while it trains; before it listens, a signal ends it as the system does
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 75, signal.SIGKILL: -signal.SIGKILL}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("number", "devices"),
    [
        pytest.param(number, devices, id=f"{number.name} {devices}", marks=marks)
        for number in SIGNALS
        for devices in (1, 2)
        for marks in [[pytest.mark.nightly] * ((number, devices) != (signal.SIGTERM, 2))]
    ],
)
def test_a_sweep_that_is_told_to_end(number, devices, sweep):
    chance = random.Random(0 if N_REPEATS == 1 else time.time_ns())
    for repeat in range(N_REPEATS):
        words = (*TINY, "trainer.max_epochs=5000", "seed=0,1", f"trainer.devices={devices}")
        command = sweep(*words)
        if early := bool(repeat % 2):
            time.sleep(chance.uniform(0, 12))
        else:
            wait(command.trains, command)
            time.sleep(chance.uniform(0, 2))
        command.process.send_signal(number)
        code, err = command.end()
        left = command.check_gone()
        if early and not command.trains():
            # until Python has read the first files, a signal ends it as the system does
            assert code in {SIGNALS[number], -number}, err
            found = command.check_beginning()
            row(f"{number.name}, {devices} process(es), at the start", *found, left, code)
            continue
        assert code == SIGNALS[number], err
        assert "Traceback" not in err
        scored = number == signal.SIGINT and devices == 1
        killed = {"0"} if number == signal.SIGKILL else set()
        found = command.check_jobs(*[{"0"}, set()] if scored else [set(), {"0"}], killed)
        row(f"{number.name}, {devices} process(es)", *found, left, code)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", ["a rank", "torchrun"])
def test_a_sweep_that_loses_a_process(victim, sweep):
    chance = random.Random(0 if N_REPEATS == 1 else time.time_ns())
    for repeat in range(N_REPEATS):
        command = sweep(*TINY, "trainer.max_epochs=5000,1", "trainer.devices=2")
        wait(command.ranks if repeat % 2 else command.trains, command)
        time.sleep(chance.uniform(0, 3 if repeat % 2 else 2))
        processes = list[int]()
        of = command.ranks if victim == "a rank" else command.agents
        wait(lambda seen=processes, of=of: seen.extend(of()) or seen, command)
        os.kill(chance.choice(processes), signal.SIGKILL)
        code, err = command.end()
        assert code == 1
        assert "Traceback" not in err
        assert "(SIGKILL)" in err
        begun = {"0"} if (command.home / "sweep" / "0").exists() else set()
        found = command.check_jobs({"1"}, begun, killed={"0"})
        row(f"kill -9 of {victim}", *found, command.check_gone(), code)
