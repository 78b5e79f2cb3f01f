"""Map a function over the rows of a store: on two threads, with few rows in memory at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from covseg.data.build_once import progress_bar
from covseg.data.store import Store

_THREADS = 2  # OpenCV and numpy work without the interpreter's lock
_BLOCK = 256  # results in the queue at a time

Result = TypeVar("Result")


def map_rows(store: Store, function: Callable[[int], Result], label: str) -> list[Result]:
    """The results of ``function`` for the number of each row, in the order of the index.

    Args:
        store: of the rows.
        function: called from several threads.
        label: of the progress bar.
    """
    results: list[Result] = []
    n_rows = len(store.index.rows)
    with ThreadPoolExecutor(_THREADS) as pool, progress_bar(label, n_rows) as advance:
        for start in range(0, n_rows, _BLOCK):
            for result in pool.map(function, range(start, min(start + _BLOCK, n_rows))):
                results.append(result)
                advance()
    return results
