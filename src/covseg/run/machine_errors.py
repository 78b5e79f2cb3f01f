"""Errors of machines during a run: memory, loader processes, open files, disks, connections.

torch tells these apart by their messages alone.
"""

import contextlib
import errno
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from covseg.config.data import Data
from covseg.errors import ConfigError, CovsegError, RunError, TrainingError

_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory", re.IGNORECASE)
_SHARED = re.compile(
    r"shared memory|/dev/shm|Bus error|unable to (open|mmap|allocate|write)|torch_shm_manager"
)
_LOST = re.compile(r"DataLoader worker \(pid.*?\) (exited unexpectedly|is killed by signal: \w+)")
_NETWORK = re.compile(r"gloo/transport/\S+\] (.+?)(?:\. This is typically|$)")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_FILES = re.compile(r"Too many open files|ancdata")


@contextlib.contextmanager
def in_one_sentence(data: Data, out: Path) -> Iterator[None]:
    """Turn errors of the machine into sentences; every other error passes unchanged.

    Raises:
        CovsegError: what to change.
    """
    try:
        yield
    except MisconfigurationException as error:
        raise _refused_by_lightning(error) from error
    except (RuntimeError, OSError, MemoryError, ValueError) as error:
        if isinstance(error, ValueError) and "`val_check_interval`" in str(error):
            raise _refused_by_lightning(error) from error
        for cause in _with_causes(error):
            if known := sentence(cause, data, out):
                raise known from error
        raise


def _refused_by_lightning(error: Exception) -> ConfigError:
    """What Lightning checks only when it sees the data."""
    reason = str(error).strip().partition(". ")[0]
    return ConfigError("trainer", f"is refused by Lightning ({reason})", "change what it names")


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then what it happened on top of: Lightning's clean-up can fail as well."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def sentence(error: BaseException, data: Data, out: Path) -> CovsegError | None:
    """The sentence for an error of torch or the system, None for any other error."""
    message = str(error)
    if data.num_workers and (_FILES.search(message) or getattr(error, "errno", 0) == errno.EMFILE):
        return TrainingError(
            f"data.num_workers={data.num_workers}",
            "opens more files than this user may",
            "set data.num_workers=0, or raise the limit with ulimit -n 65536",
        )
    if data.num_workers and (_SHARED.search(message) or _by_loaders(error)):
        return TrainingError(
            f"data.num_workers={data.num_workers}",
            "needs shared memory (/dev/shm), and there is too little of it",
            "set data.num_workers=0, or give /dev/shm more room",
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return RunError(
            error.filename or out,
            f"cannot be written ({os.strerror(error.errno)})",
            "make room there, or set hydra.run.dir to another folder",
        )
    lost = _LOST.search(message)
    # a process may have ended before torch looks at it
    if data.num_workers and (lost or isinstance(error, ConnectionError)):
        reason = lost[1] if lost else message
        return TrainingError(
            f"data.num_workers={data.num_workers}",
            f"lost one of its processes ({reason}), most often for lack of memory",
            f"set data.num_workers={data.num_workers // 2}",
        )
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or _MEMORY.search(message):
        return _too_large(data)
    if broken := _NETWORK.search(message):
        return TrainingError(
            out,
            f"lost the connection between its processes ({broken[1]})",
            "see what the others report, and start all of them again, in training with "
            f"resume={out}",
        )
    return None


def _by_loaders(error: BaseException) -> bool:
    """Whether there was no room for what processes share, which has no file's name."""
    full = isinstance(error, OSError) and error.errno in _FULL and error.filename is None
    frames = (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
    return full and any("multiprocessing" in Path(name).parts for name in frames)


def _too_large(data: Data) -> TrainingError:
    if data.batch_size > 1:
        return TrainingError(
            f"data.batch_size={data.batch_size}",
            "needs more memory than there is",
            f"set data.batch_size={data.batch_size // 2}",
        )
    return TrainingError(
        f"data.image_size={data.image_size}",
        "needs more memory than there is, even for one image at a time",
        "lower it, model.base_channels or model.depth",
    )
