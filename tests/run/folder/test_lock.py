"""A run folder belongs to one living process."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covseg.errors import RunError
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder

HOLDS = """
import sys, time
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder
with locked(RunFolder(sys.argv[1])):
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


def test_a_living_process_is_waited_for(tmp_path):
    process = holder(tmp_path)
    began = time.monotonic()
    with (
        pytest.raises(RunError, match="is in use by another process: wait for it"),
        locked(RunFolder(tmp_path), patience=0.5),
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
    with locked(RunFolder(tmp_path), patience=0.5):
        pass
    assert not list(tmp_path.iterdir())


TAKES_IT_OFTEN = """
import sys
from pathlib import Path
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder
busy = Path(sys.argv[1], "busy")
for _ in range(100):
    with locked(RunFolder(sys.argv[1]), patience=60):
        busy.touch(exist_ok=False)
        busy.unlink()
"""


def test_one_after_the_other_has_it(tmp_path):
    command = [sys.executable, "-c", TAKES_IT_OFTEN, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=100)[1] for process in processes] == [""] * 3


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunError, match=r"file cannot be written \("),
        locked(RunFolder(tmp_path / "file")),
    ):
        pass
