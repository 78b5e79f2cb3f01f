"""The handlers of signals, installed again after Lightning has installed its own."""

from typing import Any

import lightning as L

from covseg.run.processes.signals import Interruption


class SignalCallback(L.Callback):
    """Lightning's own handlers make processes wait for each other inside a signal handler.

    Args:
        interruption: whose handlers are installed again.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def on_train_start(self, *_: Any) -> None:
        """Fitting has begun."""
        self._interruption.listen()

    def on_validation_start(self, *_: Any) -> None:
        """Validation has begun, within fitting or by itself."""
        self._interruption.listen()

    def on_test_start(self, *_: Any) -> None:
        """Scoring has begun."""
        self._interruption.listen()
