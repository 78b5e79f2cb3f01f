"""torchrun without its own messages about a failed rank: ``launch`` raises the rank's error."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

from torch.distributed.elastic.multiprocessing.api import SignalException, SubprocessContext
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from covseg.run.processes.launch import GRACE


def _patient_close(
    context: SubprocessContext, death_sig: signal.Signals | None = None, timeout: int = 30
) -> None:
    """Give ranks that a signal ends the time for a checkpoint; after an error torch's own time.

    torch before 2.12 has no setting for that, and ends them after 30 seconds. Ranks end together:
    one that still waits for another that has ended handles no signal, and is killed.
    """
    if isinstance(sys.exc_info()[1], SignalException):
        ranks = [handler.proc for handler in context.subprocess_handlers.values()]
        for rank in ranks:
            rank.send_signal(death_sig or signal.SIGTERM)  # nothing, where it has ended
        _wait_for(any, ranks, GRACE)
        _wait_for(all, ranks, timeout)
        death_sig = signal.SIGKILL
    _close(context, death_sig, timeout)


def _wait_for(some: Callable[..., bool], ranks: list[Popen[bytes]], seconds: float) -> None:
    """Wait until any or all of these processes have ended."""
    end = time.monotonic() + seconds
    while ranks and time.monotonic() < end and not some(r.poll() is not None for r in ranks):
        time.sleep(0.1)


_close = SubprocessContext.close

if __name__ == "__main__":
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # a cluster signals every process of a job; these two are for the ranks
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    sys.argv.append(str(os.getpid()))  # ranks end with this process
    SubprocessContext.close = _patient_close  # type: ignore[method-assign, assignment]
    try:
        main()
    except SignalException:
        sys.exit(1)
    except ChildFailedError as error:
        [log_dir] = (argument for argument in sys.argv if argument.startswith("--log-dir="))
        first = min(failure.timestamp for failure in error.failures.values())
        for rank, failure in error.failures.items():
            # torchrun ends the others with SIGTERM, and after half a minute with SIGKILL; torch
            # aborts a process where only a connection is broken
            own = failure.exitcode not in {-signal.SIGTERM, -signal.SIGABRT}
            if failure.exitcode < 0 and own and failure.timestamp < first + 10:
                killed = Path(log_dir.removeprefix("--log-dir="), f"killed-{rank}")
                killed.write_text(str(-failure.exitcode))
        sys.exit(1)
