"""A signal that has ended a job reaches the handler of the launcher that started the job."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from covseg.errors import Stopped
from covseg.run.processes import hand_over as module
from covseg.run.processes.hand_over import hand_over


@pytest.fixture
def received() -> Iterator[list[int]]:
    """The signals that a launcher's handlers have received."""
    numbers: list[int] = []
    handled = (signal.SIGTERM, signal.SIGUSR2)
    before = [signal.signal(number, lambda n, _: numbers.append(n)) for number in handled]
    yield numbers
    for number, handler in zip(handled, before, strict=True):
        signal.signal(number, handler)


def test_the_launcher_receives_the_signal(received: list[int]) -> None:
    hand_over(Stopped(signal.SIGUSR2))
    assert received == [signal.SIGUSR2]


def test_a_signal_that_nobody_handles_ends_nothing(received: list[int]) -> None:
    """Protects: by default SIGUSR1 ends a process at once, before loggers are closed."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    try:
        hand_over(Stopped(signal.SIGUSR1))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert received == []


@pytest.mark.parametrize(
    ("state", "number"), [("RUNNING", signal.SIGUSR2), ("COMPLETING", signal.SIGTERM), ("", 15)]
)
def test_only_a_job_that_slurm_does_not_end_is_requeued(
    state: str, number: int, received: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\n[ "$3" = --jobs=7 ] && echo {state}\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    hand_over(Stopped(signal.SIGTERM))
    assert received == [number]


@pytest.mark.parametrize("squeue", ["missing", "slow"])
def test_a_signal_is_handed_over_as_it_came_where_slurm_does_not_answer(
    squeue: str, received: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Protects: with a traceback instead, submitit would see no signal, and the job would end."""
    if squeue == "slow":
        (tmp_path / "squeue").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        (tmp_path / "squeue").chmod(0o755)
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    hand_over(Stopped(signal.SIGTERM))
    assert received == [signal.SIGTERM]
