"""The progress of a run, as stored in its checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.errors import RunError

KEY = "covseg"  # of the checkpoint's dict


@dataclass(frozen=True)
class Progress:
    """A position between two optimizer steps."""

    epoch: int = 0  # completed epochs, including validation and schedules
    batch: int = 0  # batches done in the next epoch, per process
    step: int = 0  # optimizer steps in total
    batches: int = 0  # batches in total, per process
    stop: bool = False  # whether a callback ended training


def progress_of(checkpoint: dict[str, Any], path: Path) -> Progress:
    """The progress stored in the checkpoint of a file.

    Raises:
        RunError: there is none, or its fields are not those of ``Progress``.
    """
    try:
        return Progress(**checkpoint[KEY]["progress"])
    except (LookupError, TypeError) as error:
        raise RunError(
            path,
            "has no progress to resume from",
            "start a new run from its weights with init=<run folder>",
        ) from error


class TrainingPaused(BaseException):
    """Training was asked to stop; its progress is saved, and ``resume`` continues from there."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self.progress = progress
