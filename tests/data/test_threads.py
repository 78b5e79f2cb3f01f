"""The results come in the order of the items, and an error is not lost in a thread."""

import threading

import pytest

from covseg.data.threads import mapped, progress_bar


def test_results_are_in_the_order_of_the_items():
    slow = threading.Event()

    def double(number: int) -> int:
        slow.wait(0.02 if number == 0 else 0)  # the first is the last to finish
        return 2 * number

    assert list(mapped(double, range(600), "doubling")) == list(range(0, 1200, 2))


def test_an_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(mapped(lambda number: 1 // number, range(3), "dividing"))


def test_a_log_gets_no_progress_bar(capfd):
    with progress_bar("drawing", 3) as advance:
        advance()
    assert capfd.readouterr() == ("", "")
