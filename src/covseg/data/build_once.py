"""A folder that is built once, even if builds are killed or several processes start one."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.progress import Progress

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
            "set data.cache_dir= to a folder with space for the decoded dataset (1.2 GB)",
        ) from error
    return home


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing in a log; yields the function that advances it."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not os.isatty(2)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)
