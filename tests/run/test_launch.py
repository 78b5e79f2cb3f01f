"""Processes that are asked to stop leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

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
