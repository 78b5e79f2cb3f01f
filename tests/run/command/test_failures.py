"""What is kept of a job that failed."""

import gc
import weakref

from covseg.run.command.failures import without_locals


class Memory:
    """Stands for a network on a GPU."""


def fail(kept: list[weakref.ref[Memory]]) -> None:
    """With something in the locals of each frame: of the error, its cause and its context."""
    memory = Memory()
    kept.append(weakref.ref(memory))
    try:
        cause(kept)
    except KeyError as error:
        found = error
    raise ValueError("broke") from found  # outside: a cause that is no context


def cause(kept: list[weakref.ref[Memory]]) -> None:
    memory = Memory()
    kept.append(weakref.ref(memory))
    try:
        context(kept)
    except IndexError:
        raise KeyError("cause")  # noqa: B904  a context that is no cause


def context(kept: list[weakref.ref[Memory]]) -> None:
    memory = Memory()
    kept.append(weakref.ref(memory))
    raise IndexError("context")


def test_an_error_that_is_kept_keeps_nothing_of_what_its_job_worked_with():
    memories, error = list[weakref.ref[Memory]](), None
    try:
        fail(memories)
    except ValueError as raised:
        error = without_locals(raised)
    gc.collect()
    assert [memory() for memory in memories] == [None, None, None]
    assert type(error.__cause__.__context__) is IndexError
    assert error.__traceback__ is not None  # where it failed is still known


def test_an_error_that_leads_back_to_itself_ends():
    error = ValueError("broke")
    error.__context__ = KeyError("x")
    error.__context__.__cause__ = error
    assert without_locals(error) is error
