"""The answers come in the order of the rows, and a fault is not lost in a thread."""

import threading

import pytest

from covseg.data.audit.map_rows import map_rows


def test_answers_stand_in_the_order_of_the_index(store):
    slow = threading.Event()

    def ask(row: int) -> str:
        slow.wait(0.02 if row == 0 else 0)  # the first is the last to answer
        return store.index.rows[row].name

    assert map_rows(store, ask, "asking") == [row.name for row in store.index.rows]


def test_a_fault_is_raised(store):
    with pytest.raises(ZeroDivisionError):
        map_rows(store, lambda row: 1 // row, "asking")
