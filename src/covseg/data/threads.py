"""Map a function over many items on a few threads, with few results in memory at a time."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

_AHEAD = 4  # results per thread that may wait for the caller; one can be an image of 9 megapixels

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
        pending = deque[Future[Result]]()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > _AHEAD * threads:
                    yield pending.popleft().result()
                    advance()
            while pending:
                yield pending.popleft().result()
                advance()
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing in a log; yields the function that advances it."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not os.isatty(2)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)
