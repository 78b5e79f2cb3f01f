"""A run folder belongs to one process at a time; what a dead one held is free."""

import contextlib
import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from covseg.errors import RunError
from covseg.run.folder.creation import unwritable

log = logging.getLogger(__name__)

_PATIENCE = 8.0  # seconds: loader processes of a killed run hold its lock until they notice


@contextlib.contextmanager
def locked(run: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of a run folder.

    The system itself takes a lock away from a process that died.

    Raises:
        RunError: another process has it.
    """
    path = run / ".lock"
    deadline = time.monotonic() + patience
    while (file := _taken(path, run)) is None:
        if time.monotonic() > deadline:
            raise RunError(run, f"is in use by {_owner(path)}", "wait for it, or stop it")
        time.sleep(0.1)
    try:
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _owner(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"


def _lock(file: TextIO, run: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}:
            raise
        log.warning("%s cannot be locked (%s): let one process at a time use it", run, error)


def _taken(path: Path, run: Path) -> TextIO | None:
    """The lock's file, if this process is the one that has it now."""
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise unwritable(run, error) from error
    try:
        _lock(file, run)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # and not one just removed
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None
