"""A process leaves the others of its run, and waits for none of them for long."""

import threading
import time

import pytest
import torch

from covseg.run import verb


@pytest.fixture
def among_others(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)


def test_others_that_do_not_answer_are_left_all_the_same(among_others, monkeypatch):
    """Protects: after an error the others may be in a collective, and an exit would wait there."""
    answer = threading.Event()
    monkeypatch.setattr(torch.distributed, "destroy_process_group", answer.wait)
    monkeypatch.setattr(verb, "_PATIENCE", 0.2)
    began = time.monotonic()
    try:
        verb._leave_process_group()
        assert 0.2 <= time.monotonic() - began < 5
        waiting = [thread for thread in threading.enumerate() if thread.name.endswith("(wait)")]
        assert [thread.daemon for thread in waiting] == [True]  # or the interpreter waits for it
    finally:
        answer.set()


def test_others_that_answer_are_left_in_order(among_others, monkeypatch):
    left = []

    def leave() -> None:
        time.sleep(0.05)
        left.append(True)

    monkeypatch.setattr(torch.distributed, "destroy_process_group", leave)
    verb._leave_process_group()
    assert left == [True]


def test_alone_there_is_nobody_to_leave(monkeypatch):
    left = []
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: left.append(True))
    verb._leave_process_group()
    assert not left
