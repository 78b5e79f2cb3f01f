"""Ctrl-C: once, and a run ends as if it had been meant to end here; twice, and it ends at once."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import lightning as L

_PRESSED = b"\nCtrl-C: this batch is finished, saved and scored; again to stop at once\n"


@dataclass
class Interruption:
    """Whether Ctrl-C was pressed, and in which epoch.

    Attributes:
        epoch: from 1; None as long as it was not pressed.
    """

    epoch: int | None = None


@contextlib.contextmanager
def interruptible(trainer: L.Trainer) -> Iterator[Interruption]:
    """Let the first Ctrl-C end fitting after the batch at hand, with validation and checkpoints."""
    interruption, process = Interruption(), os.getpid()

    def on_interrupt(_number: int, _frame: object) -> None:
        if os.getpid() != process:  # a loader's, which ends when this one does
            return
        if interruption.epoch is not None:
            raise KeyboardInterrupt
        interruption.epoch = trainer.current_epoch + 1
        trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None
        trainer.should_stop = True
        with contextlib.suppress(OSError):
            os.write(2, _PRESSED)  # a handler may interrupt a line of the log

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
