"""A letter that the terminal lacks is the nearest that it has, and never the end of a run."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covseg.run.terminal import replace_unprintable


def printed(text: str, encoding: str) -> str:
    """What a terminal of an encoding shows of a text."""
    with pytest.MonkeyPatch.context() as patched:
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
        patched.setattr(sys, "stdout", terminal)
        replace_unprintable()
        sys.stdout.write(text)
        sys.stdout.flush()
        return terminal.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "v ^ - - x Arztin ?"),
        ("latin-1", "v ^ - - × Ärztin ?"),
        ("cp437", "v ^ - - x Ärztin ?"),
        ("utf-8", "↓ ↑ – — × Ärztin 漢"),
    ],
)
def test_what_a_terminal_lacks_is_the_nearest_that_it_has(encoding, shown):
    assert printed("↓ ↑ – — × Ärztin 漢", encoding) == shown


def test_the_nearest_letter_of_a_letter_with_its_accent_apart_has_none():
    assert printed("a\u0308", "ascii") == "a?"


# a name on disk that is no UTF-8 has surrogates
@given(st.text(st.characters(), max_size=20), st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_any_text_is_as_long_as_it_was_and_what_the_terminal_knows_is_unchanged(text, encoding):
    shown = printed(text, encoding)
    assert len(shown) == len(text)
    for before, after in zip(text, shown, strict=True):
        known = before.encode(encoding, "ignore").decode(encoding)
        assert after == known or (not known and after.isascii())


@pytest.mark.parametrize("stdout", [None, io.BytesIO(), object()])
def test_a_replacement_that_cannot_be_told_is_left_alone(stdout, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stdout)
    replace_unprintable()
    assert sys.stdout is stdout


def test_a_run_on_a_terminal_of_ascii_ends_well(command, tmp_path):
    done = command("train", "experiment=debug", "hydra.run.dir=run", PYTHONIOENCODING="ascii")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["finished"]
    assert "rmse_per_image v" in done.out
    assert done.out.isascii()
