"""A folder that is built once, even if builds are killed or several processes start one."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from covseg.errors import DataError


def built_once(home: Path, build: Callable[[Path], None]) -> Path:
    """The folder ``home``, built first if it does not exist.

    ``build`` fills a folder of another name, which is renamed to ``home`` when it is complete: what
    a killed build leaves is never used. Of two processes one builds and the other waits.

    Raises:
        DataError: the cache folder cannot be written.
    """
    if home.is_dir():
        return home
    part = home.with_name(f"{home.name}.part")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(home.with_name(f"{home.name}.lock")):
            if home.is_dir():
                return home
            shutil.rmtree(part, ignore_errors=True)  # of a killed build, because we hold the lock
            part.mkdir()
            try:
                build(part)
                part.rename(home)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"data.cache_dir={home.parent}",
            f"cannot be written ({error.strerror or error})",
            "set data.cache_dir= to a folder with space for the decoded dataset (a byte per pixel)",
        ) from error
    return home
