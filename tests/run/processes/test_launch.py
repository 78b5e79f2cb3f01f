"""Processes that are asked to stop leave nothing running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch.distributed.elastic.multiprocessing.api import SignalException, SubprocessContext

from covseg.run.processes import torchrun

pytestmark = pytest.mark.long


def _alive(marker: str) -> list[int]:
    """Processes with ``marker`` on their command line, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker in words and state != "Z":
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, marks=pytest.mark.nightly),
        signal.SIGKILL,
    ],
)
def test_a_stopped_run_leaves_no_process(
    number: signal.Signals, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Protects: Ctrl-C, a cluster's SIGTERM and ``kill -9`` reach every process of a run."""
    run = tmp_path / "run"
    words = ["experiment=debug", "trainer.devices=2", "trainer.max_epochs=5000"]
    command = subprocess.Popen(
        [sys.executable, "-m", "covseg.train", *words, f"hydra.run.dir={run}", "callbacks=none"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # a process that a script starts with & would ignore SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 90
    while not (run / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (run / "checkpoints" / "last.ckpt").exists()
    assert len(_alive(str(run))) >= 3
    command.send_signal(number)
    assert command.wait(timeout=60) != 0
    deadline = time.monotonic() + 8
    while _alive(str(run)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _alive(str(run)) == []


@pytest.fixture
def closed(monkeypatch) -> list[int]:
    """The patience of each end of the ranks, which is not carried out."""
    found: list[int] = []
    monkeypatch.setattr(torchrun, "_close", lambda _c, _signal, timeout: found.append(timeout))
    return found


def rank(program: str) -> subprocess.Popen:
    """A process that says when it is ready for a signal."""
    command = [sys.executable, "-c", f"import signal, sys, time\n{program}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


SLOW = """
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit()))
print("ready", flush=True)
time.sleep(60)
"""
DEAF = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("programs", [(SLOW, SLOW), (SLOW, DEAF)])
def test_ranks_that_a_signal_ends_get_the_time_for_a_checkpoint_and_wait_for_none(programs, closed):
    """One that waits in C++ for another that has ended hears nothing: torch ends it."""
    ranks = [rank(program) for program in programs]
    handlers = {number: SimpleNamespace(proc=one) for number, one in enumerate(ranks)}
    began = time.monotonic()
    try:
        raise SignalException("SIGTERM", signal.SIGTERM)
    except SignalException:
        torchrun._patient_close(SimpleNamespace(subprocess_handlers=handlers), signal.SIGTERM, 2)
    assert 1 <= time.monotonic() - began < 6
    assert [one.poll() for one in ranks] == [0, 0 if programs[1] == SLOW else None]
    assert closed == [2]  # which kills what is left
    for one in ranks:
        one.kill()
        one.wait()


def test_ranks_beside_one_that_failed_get_torchs_own_time(closed):
    torchrun._patient_close(None)
    torchrun._patient_close(None, signal.SIGTERM, timeout=7)
    try:
        raise RuntimeError("broke")
    except RuntimeError:
        torchrun._patient_close(None, signal.SIGTERM, timeout=8)
    assert closed == [30, 7, 8]


def test_to_import_the_agent_changes_nothing_in_torch():
    assert SubprocessContext.close is torchrun._close
