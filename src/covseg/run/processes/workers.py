"""The processes of joblib's launcher, each of which does job after job of a sweep.

joblib kills them as soon as the command is interrupted, and leaves them to themselves when it is
killed: here jobs save their work first, and no process outlives its command.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from covseg.errors import Stopped
from covseg.run.processes.launch import GRACE, die_with
from covseg.run.processes.signals import SIGNALS, interruptible

_PRESSED = "Ctrl-C: the jobs finish and save their batch; press again to stop at once"


@contextlib.contextmanager
def in_worker(command: int) -> Iterator[None]:
    """Do a job in a worker: a signal ends the job, not the worker, without which joblib gives up.

    Args:
        command: process number of the sweep's command.
    """
    die_with(command)
    for number in SIGNALS:  # between jobs
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt), interruptible():
        yield


@contextlib.contextmanager
def saving_workers(stopped: Path, running: Callable[[], bool]) -> Iterator[None]:
    """Let the workers' jobs save their work before a signal ends the command.

    Args:
        stopped: a file that exists from the signal on: workers begin no job then.
        running: whether a job is.

    Raises:
        Stopped: by the signal.
    """
    first: list[int] = []

    def stop(number: int, _: object) -> None:
        first.append(number)
        if len(first) == 1:
            stopped.touch()
            if number == signal.SIGINT:  # a terminal sends it to the workers as well
                print(_PRESSED, file=sys.stderr)  # noqa: T201  for the person, not the log
            else:
                for worker in multiprocessing.active_children():
                    os.kill(worker.pid or 0, signal.SIGTERM)
            end = time.monotonic() + GRACE
            while running() and time.monotonic() < end:
                time.sleep(0.2)
        if len(first) == 1 or number == signal.SIGINT:
            raise Stopped(first[0])

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stopped.unlink(missing_ok=True)
