"""One process at a time works in a run folder; the lock of a dead process is free."""

import contextlib
import logging
from collections.abc import Iterator

from filelock import FileLock, Timeout

from covseg.errors import RunError
from covseg.run.folder.creation import not_writable
from covseg.run.folder.run_folder import RunFolder

log = logging.getLogger(__name__)

_PATIENCE = 8.0  # seconds: loader processes of a killed run hold its lock until they notice


def in_use(run: RunFolder) -> bool:
    """Whether a living process holds the lock of a run folder."""
    if not run.lock.exists():
        return False
    try:
        with FileLock(run.lock).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except (NotImplementedError, OSError):  # a file system without locks, or read only
        return False


@contextlib.contextmanager
def locked(run: RunFolder, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of a run folder.

    Raises:
        RunError: another process holds it.
    """
    lock = FileLock(run.lock)
    try:
        lock.acquire(timeout=patience)
    except Timeout as error:
        raise RunError(run, "is in use by another process", "wait for it, or stop it") from error
    except NotImplementedError as error:  # a network's file system
        log.warning("%s cannot be locked (%s): let one process at a time use it", run, error)
    except OSError as error:
        raise not_writable(run, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            run.lock.unlink()
        lock.release()
