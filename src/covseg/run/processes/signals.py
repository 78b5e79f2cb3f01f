"""Signals that ask a run to end: training stops behind the batch at hand, with a checkpoint.

Ctrl-C comes from a person, who also sees what was learnt until then, and may press it again to stop
at once. SIGTERM, SIGUSR1 and SIGUSR2 come from a cluster that wants its machine back and starts the
command again: ``Stopped`` has the exit code that asks for it.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

from covseg.errors import Stopped

_PRESSED = b"\nCtrl-C: this batch is finished and saved; again to stop at once\n"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass
class Interruption:
    """Whether somebody asked this process to end.

    Attributes:
        number: of the first signal, None as long as there was none.
        waits: whether the work ends by itself soon, having looked at ``number``.
        process: that listens; the loaders' processes, forked from it, inherit its handlers.
    """

    number: int | None = None
    waits: bool = False
    process: int = field(default_factory=os.getpid)

    def __bool__(self) -> bool:
        return self.number is not None

    def listen(self) -> None:
        """Take the handlers of the signals."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While fitting: a signal only leaves its number, since a checkpoint comes first."""
        self.waits = True
        try:
            yield
        finally:
            self.waits = False

    def _on_signal(self, number: int, _frame: object) -> None:
        if os.getpid() != self.process:
            if number == signal.SIGTERM:  # of the run to its loader; all else is for the run
                os._exit(0)
            return
        again, self.number = self.number, self.number or number
        if not self.waits or (number == signal.SIGINT and again is not None):
            raise Stopped(number)
        if number == signal.SIGINT:
            with contextlib.suppress(OSError):
                os.write(2, _PRESSED)  # a handler may interrupt a line of the log


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Listen to the signals, and give the handlers back at the end.

    Raises:
        Stopped: by a signal.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    interruption = Interruption()
    interruption.listen()
    try:
        yield interruption
    except SystemExit as error:
        if interruption.number is None:
            raise
        raise Stopped(interruption.number) from error  # Lightning made an exit of it
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
