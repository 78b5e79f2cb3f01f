"""One question to every row of a store: on two threads, with few rows in memory at a time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from covseg.data.build_once import progress_bar
from covseg.data.store import Store

_THREADS = 2  # OpenCV and numpy work without the interpreter's lock
_BLOCK = 256  # answers that wait at a time

Answer = TypeVar("Answer")


def of_every_row(store: Store, ask: Callable[[int], Answer], what: str) -> list[Answer]:
    """What ``ask`` says of the number of each row, in the order of the index.

    Args:
        store: of the rows.
        ask: called from several threads.
        what: the words beside the progress bar.
    """
    answers: list[Answer] = []
    n_rows = len(store.index.rows)
    with ThreadPoolExecutor(_THREADS) as pool, progress_bar(what, n_rows) as advance:
        for start in range(0, n_rows, _BLOCK):
            for answer in pool.map(ask, range(start, min(start + _BLOCK, n_rows))):
                answers.append(answer)
                advance()
    return answers
