"""A run folder belongs to one living process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covseg.errors import RunError
from covseg.run.folder.lock import locked

HOLDS = """
import sys, time
from pathlib import Path
from covseg.run.folder.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(run: Path) -> "subprocess.Popen[str]":
    """A process that holds the lock, when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(run)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_living_process_is_named_and_waited_for(tmp_path):
    process = holder(tmp_path)
    began = time.monotonic()
    with (
        pytest.raises(RunError, match=f"is in use by process {process.pid} on .*: wait for it"),
        locked(tmp_path, patience=0.5),
    ):
        pass
    assert 0.5 <= time.monotonic() - began < 5
    process.kill()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_process_holds_nothing(number, tmp_path):
    process = holder(tmp_path)
    process.send_signal(number)
    process.wait()
    with locked(tmp_path, patience=0.5):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()
    assert not list(tmp_path.iterdir())


TAKES_IT_OFTEN = """
import sys
from pathlib import Path
from covseg.run.folder.lock import locked
busy = Path(sys.argv[1], "busy")
for _ in range(100):
    with locked(Path(sys.argv[1]), patience=60):
        busy.touch(exist_ok=False)
        busy.unlink()
"""


def test_one_after_the_other_has_it(tmp_path):
    """Protects: a lock that was just removed is not taken for the one that is there."""
    command = [sys.executable, "-c", TAKES_IT_OFTEN, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=100)[1] for process in processes] == [""] * 3


def test_a_folder_that_cannot_be_written_is_said_to_be(tmp_path):
    with (
        pytest.raises(RunError, match=r"cannot be written \(No such file or directory\)"),
        locked(tmp_path / "nowhere"),
    ):
        pass
