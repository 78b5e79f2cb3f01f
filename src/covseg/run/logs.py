"""The log of a run: lines on stderr and in ``<verb>.log``, in one format for all libraries."""

import io
import logging
import sys
import warnings
from pathlib import Path

log = logging.getLogger(__name__)

FAILURE = logging.ERROR + 1  # for the file alone: the verb or Python prints it on the screen
logging.addLevelName(FAILURE, "FAILED")
_FORMAT = "%(asctime)s %(levelname)-7s %(message)s"

# each of these is true, expected here, and of no use to the reader
_EXPECTED_WARNINGS = (
    ".*does not have many workers.*",  # data.num_workers is the user's to choose
    ".*The number of training batches.*smaller than the logging interval.*",  # small data
    ".*Checkpoint directory.*exists and is not empty.*",  # the folder of this very run
    ".*You are using `torch.load`.*",  # always with weights_only
    ".*Trainer already configured with model summary.*",
    ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",  # Lightning's use of torch
    ".*Total length of `list` across ranks is zero.*",  # protocol.select=null: no validation
    ".*It is recommended to use .*sync_dist=True.*",  # scores are those of all processes already
    ".*You requested to overfit but enabled val dataloader shuffling.*",  # nothing is shuffled
    ".*The `srun` command is available.*",  # one process is a choice
    ".*GPU available but not used.*",  # trainer.accelerator=cpu is a choice
    ".*TensorFloat32 tensor cores.*available but not enabled.*",  # 32 bits are 32 bits
)


class _Screen(logging.Handler):
    """Lines on the current ``sys.stderr``, which a progress bar replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)  # noqa: T201  this is where lines end


def configure(log_file: Path | None, in_sweep: bool = False) -> None:
    """Send log lines to stderr and the file; those of other libraries from warnings upward.

    Args:
        log_file: appended to; None for a process that must not write it.
        in_sweep: whether the run is one of many, of which only warnings go to stderr.
    """
    logging.raiseExceptions = False  # a full disk must not cause a traceback per line
    handlers: list[logging.Handler] = []
    if log_file is not None:
        to_file = logging.FileHandler(log_file, encoding="utf-8")
        to_file.setFormatter(logging.Formatter(_FORMAT))
        to_screen = _Screen()
        to_screen.setFormatter(logging.Formatter("%(message)s"))
        to_screen.addFilter(lambda record: record.levelno != FAILURE)
        to_screen.setLevel(logging.WARNING if in_sweep else logging.INFO)
        handlers = [to_file, to_screen]
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    logging.getLogger("covseg").setLevel(logging.INFO)
    logging.captureWarnings(True)


def replace_unprintable() -> None:
    """Print a question mark where the encoding of stdout lacks a character."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a notebook's is another class
        sys.stdout.reconfigure(errors="replace")


def quiet_lightning() -> None:
    """Remove the handlers and levels that the import of Lightning, which takes seconds, has set."""
    import lightning.pytorch  # noqa: F401

    for chatty in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(chatty)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
        logger.propagate = True
    for message in _EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message=message)
