"""Map a function over many items on a few threads, with few results in memory at a time."""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

_BLOCK = 256  # results in the queue at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


def mapped(
    function: Callable[[Item], Result], items: Sequence[Item], label: str, threads: int = 2
) -> Generator[Result, None, None]:
    """The results of ``function``, in the order of ``items``, with a progress bar.

    Args:
        function: called from several threads; OpenCV, numpy and zlib release the interpreter lock.
        items: its arguments.
        label: of the progress bar.
        threads: number of threads.
    """
    with ThreadPoolExecutor(threads) as pool, progress_bar(label, len(items)) as advance:
        for start in range(0, len(items), _BLOCK):
            for result in pool.map(function, items[start : start + _BLOCK]):
                yield result
                advance()


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing in a log; yields the function that advances it."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not os.isatty(2)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)
