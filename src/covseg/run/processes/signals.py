"""Signals that ask a run to end: training stops after the current batch, with a checkpoint.

Ctrl-C comes from a person: the run still reports the scores of what was learned, and a second
Ctrl-C stops it at once. SIGTERM, SIGUSR1 and SIGUSR2 come from a cluster, which may start the
command again: ``Stopped`` has the exit code that asks for it. Windows has no SIGUSR1 and SIGUSR2.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

from covseg.errors import Stopped

_PRESSED = b"\nCtrl-C: finishing and saving this batch; press again to stop at once\n"
_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


@dataclass
class Interruption:
    """Whether this process was asked to end.

    Attributes:
        number: of the first signal, None before it.
        waits: whether the work looks at ``number`` by itself and ends soon.
        process: that handles the signals; loader processes, forked from it, inherit its handlers.
    """

    number: int | None = None
    waits: bool = False
    process: int = field(default_factory=os.getpid)

    def __bool__(self) -> bool:
        return self.number is not None

    def listen(self) -> None:
        """Install the handlers."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While fitting, a signal is only recorded: a checkpoint comes first."""
        self.waits = True
        try:
            yield
        finally:
            self.waits = False

    def _on_signal(self, number: int, _frame: object) -> None:
        if os.getpid() != self.process:
            if number == signal.SIGTERM:  # the run ends its loader; others are for the run
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
    """Handle the signals until the end of the block.

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
        raise Stopped(interruption.number) from error  # Lightning has turned it into an exit
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
