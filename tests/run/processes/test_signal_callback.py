"""A signal ends whatever Lightning does, with the number that it had."""

import os
import signal
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from covseg.errors import Stopped
from covseg.run.processes.signal_callback import SignalCallback
from covseg.run.processes.signals import interruptible


class Signalled(L.Callback):
    """A signal arrives in the middle of a batch."""

    def __init__(self, number: int) -> None:
        self.number = number

    def on_test_batch_end(self, *_: Any) -> None:
        os.kill(os.getpid(), self.number)

    on_validation_batch_end = on_train_batch_end = on_test_batch_end


def work(stage: str, number: int, module: Any, data: Any, home: Path) -> None:
    with interruptible() as interruption:
        trainer = L.Trainer(
            callbacks=[SignalCallback(interruption), Signalled(number)],
            max_epochs=5,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            default_root_dir=home,
        )
        getattr(trainer, stage)(module, datamodule=data)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_a_signal_ends_every_stage(stage, number, fit, tmp_path):
    _, module, data = fit("trainer.max_epochs=1")
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped:
        work(stage, number, module, data, tmp_path)
    assert stopped.value.args == (number,)
    assert signal.getsignal(number) is before
