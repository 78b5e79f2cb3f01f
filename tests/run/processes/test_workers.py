"""Two jobs at a time through joblib: however their command ends, they save and none outlives it."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from covseg.run.folder.sweep_folder import SweepFolder

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="a job's own processes need Linux"),
]

WORDS = (
    *("-m", "experiment=debug", "callbacks=none", "data.batch_size=4,8,16"),
    *("hydra.sweep.dir=sweep", "hydra/launcher=joblib"),
)
ENDLESS, SHORT = "trainer.max_epochs=10000", "trainer.max_epochs=100"
MARK = "COVSEG_TEST_SWEEP"


def processes(mark: str) -> dict[int, str]:
    """The living processes with this value of ``MARK`` in their environment, and their commands."""
    found = {}
    for path in Path("/proc").iterdir():
        try:
            if f"{MARK}={mark}".encode() in (path / "environ").read_bytes():
                found[int(path.name)] = (
                    (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                )
        except (OSError, ValueError):
            continue
    return found


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


@pytest.fixture
def sweep(tmp_path, environment):
    """Start a sweep, wait until some jobs have learned something, and pass it to ``end``.

    Returns:
        the exit code and what stood on stderr; all its processes have ended then.
    """

    def run(
        end: Callable[["subprocess.Popen[str]"], object],
        length: str = ENDLESS,
        n_begun: int = 2,
        n_jobs: int = 2,
    ) -> tuple[int, str]:
        mark, at_a_time = str(tmp_path), f"hydra.launcher.n_jobs={n_jobs}"
        command = subprocess.Popen(
            [sys.executable, "-m", "covseg.train", *WORDS, length, at_a_time],
            cwd=tmp_path,
            env=environment | {MARK: mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        learned = lambda: [*tmp_path.glob("sweep/*/checkpoints/last.ckpt")]  # noqa: E731
        assert wait_until(lambda: len(learned()) == n_begun, 120)
        end(command)
        _, err = command.communicate(timeout=120)
        assert wait_until(lambda: not processes(mark), 20), processes(mark)
        return command.returncode, err

    return run


def statuses(sweep: Path) -> list[str]:
    with (sweep / "sweep.csv").open() as file:
        return [row["status"] for row in csv.DictReader(file)]


ENDS = [
    (lambda command: os.killpg(command.pid, signal.SIGINT), 130),  # as a terminal does
    pytest.param(lambda command: command.terminate(), 75, marks=pytest.mark.nightly),
]


@pytest.mark.nightly  # twenty seconds; test_faults.py ends a sweep for every change
@pytest.mark.parametrize(("end", "code"), ENDS)
def test_a_signal_ends_the_sweep_when_its_jobs_have_saved(end, code, sweep, tmp_path):
    found, err = sweep(end)
    assert found == code, err
    assert "Traceback" not in err
    assert err.count("continues from there") == 2
    assert statuses(tmp_path / "sweep") == ["unfinished", "unfinished"]
    assert not [*tmp_path.glob("sweep/.stopped*")]


@pytest.mark.nightly  # likewise
def test_a_signal_ends_one_job_at_a_time(sweep, tmp_path):
    """Joblib works in the command's own process then: there is no other to wait for."""
    found, err = sweep(lambda command: command.terminate(), n_begun=1, n_jobs=1)
    assert found == 75, err
    assert "Traceback" not in err
    assert statuses(tmp_path / "sweep") == ["unfinished"]


@pytest.mark.nightly  # a quarter of a minute; test_launch.py kills a run for every change
def test_kill_9_leaves_no_process(sweep, tmp_path):
    sweep(lambda command: command.kill())
    assert [job.status for job in SweepFolder(tmp_path / "sweep").jobs()] == 2 * ["unfinished"]


@pytest.mark.nightly
def test_a_job_that_is_killed_takes_no_other_along(sweep, tmp_path):
    def kill_one(_: object) -> None:
        ranks = [pid for pid, words in processes(str(tmp_path)).items() if is_rank(words)]
        os.kill(ranks[0], signal.SIGKILL)

    def is_rank(words: str) -> bool:
        return "covseg.run.processes.rank" in words and "torchrun" not in words

    code, err = sweep(kill_one, SHORT, n_begun=1)
    assert code == 1
    assert "1 of 3 jobs failed, the others are done" in err
    assert "was killed from" in err
    assert sorted(statuses(tmp_path / "sweep")) == ["failed", "finished", "finished"]


@pytest.mark.nightly
def test_a_worker_that_is_killed_is_one_sentence(sweep, tmp_path):
    def kill_one(_: object) -> None:
        workers = [pid for pid, words in processes(str(tmp_path)).items() if "LokyProc" in words]
        os.kill(workers[0], signal.SIGKILL)

    code, err = sweep(kill_one)
    assert code == 1
    assert "Traceback" not in err
    assert "a process of hydra.launcher.n_jobs=2 was ended from outside" in err
