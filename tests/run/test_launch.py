"""Processes that are asked to stop leave nothing behind; one that crashes leaves its log."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.api import PContext, SignalException

from covseg.run import agent
from covseg.run.launch import GRACE

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
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_no_process(
    number: signal.Signals, tmp_path: Path, phantom_cache: Path
) -> None:
    """Protects: Ctrl-C, a cluster's SIGTERM and ``kill -9`` reach every process of a run."""
    run = tmp_path / "run"
    words = ["experiment=debug", "trainer.devices=2", "trainer.max_epochs=5000"]
    command = subprocess.Popen(
        [sys.executable, "-m", "covseg.train", *words, f"hydra.run.dir={run}", "callbacks=none"],
        env=os.environ | {"COVSEG_CACHE": str(phantom_cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # a process that a script starts with & would ignore SIGINT
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 90
    while not (run / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (run / "metrics.csv").exists()
    assert len(_alive(str(run))) >= 3
    command.send_signal(number)
    assert command.wait(timeout=60) != 0
    deadline = time.monotonic() + 8
    while _alive(str(run)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert _alive(str(run)) == []
    assert (run / "checkpoints" / "last.ckpt").exists()


# the other rank crashes a moment later: it would wait for the first, for half a minute
BOOM = """
import os

if "RANK" in os.environ:
    from covseg.measure import baselines
    from covseg.run.training import Training

    def boom(*_):
        raise RuntimeError("boom")

    if os.environ["RANK"] == "0":
        baselines.fit = boom
    else:
        Training.fit = boom
"""


def test_a_process_that_crashes_at_the_start_leaves_the_log_with_its_traceback(command, tmp_path):
    """Protects: a run folder that work has not begun in is removed, but never with the reason."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(BOOM)
    words = ("experiment=debug", "trainer.devices=2", "hydra.run.dir=run")
    done = command("train", *words, PYTHONPATH=str(tmp_path / "path"))
    assert done.code == 1
    run = tmp_path / "run"
    sentence = r"process [01] of this run failed \(RuntimeError: boom\): see the log in "
    assert re.fullmatch(sentence + re.escape(f"{run}."), done.err.splitlines()[-1])
    text = (run / "train.log").read_text()
    assert "Traceback (most recent call last)" in text
    assert "RuntimeError: boom" in text
    assert not (run / "ranks").exists()


@pytest.fixture
def closed(monkeypatch) -> list[int]:
    """The patience of each end of the ranks, which is not carried out."""
    found: list[int] = []
    monkeypatch.setattr(agent, "_close", lambda _context, _signal, timeout: found.append(timeout))
    return found


def test_ranks_that_a_signal_ends_get_the_time_for_a_checkpoint(closed):
    try:
        raise SignalException("SIGTERM", signal.SIGTERM)
    except SignalException:
        agent._patient_close(None, signal.SIGTERM)
        agent._patient_close(None, signal.SIGTERM, timeout=7)
    assert closed == [GRACE, GRACE]


def test_ranks_beside_one_that_failed_get_torchs_own_time(closed):
    agent._patient_close(None)
    agent._patient_close(None, signal.SIGTERM, timeout=7)
    try:
        raise RuntimeError("broke")
    except RuntimeError:
        agent._patient_close(None, signal.SIGTERM, timeout=8)
    assert closed == [30, 7, 8]


def test_to_import_the_agent_changes_nothing_in_torch():
    assert PContext.close is agent._close
