"""How far a run has come, as its checkpoints say it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.errors import RunError

KEY = "covseg"  # of the checkpoint


@dataclass(frozen=True)
class Progress:
    """A place between two optimizer steps.

    Attributes:
        epoch: epochs that are complete, validation and schedules included.
        batch: batches of the next epoch that are done, of each process.
        step: optimizer steps in all.
        batches: in all, of each process.
        stop: whether training is over, because a callback said so.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    batches: int = 0
    stop: bool = False


def progress_of(checkpoint: dict[str, Any], path: Path) -> Progress:
    """Where a checkpoint was taken.

    Raises:
        RunError: it does not say, or not in this covseg's words.
    """
    try:
        return Progress(**checkpoint[KEY]["progress"])
    except (LookupError, TypeError) as error:
        raise RunError(
            path,
            "does not say how far its run has come",
            "start another run from its weights, with init=<run folder>",
        ) from error


class Halted(BaseException):
    """Training was asked to end, and has saved where it was.

    Args:
        progress: where that is.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self.progress = progress
