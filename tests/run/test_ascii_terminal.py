"""A character that the terminal's encoding lacks never ends a run."""

import io
import json
import sys

import pytest

from covseg.run.logs import replace_unprintable


def test_a_question_mark_stands_for_what_the_encoding_lacks(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="")
    monkeypatch.setattr(sys, "stdout", terminal)
    replace_unprintable()
    sys.stdout.write("RMSE ↓\n")
    sys.stdout.flush()
    assert terminal.buffer.getvalue() == b"RMSE ?\n"


@pytest.mark.parametrize("stdout", [None, io.BytesIO(), object()])
def test_another_kind_of_stdout_is_left_alone(stdout, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stdout)
    replace_unprintable()
    assert sys.stdout is stdout


def test_a_run_on_an_ascii_terminal_finishes(command, tmp_path):
    done = command("train", "experiment=debug", "hydra.run.dir=run", PYTHONIOENCODING="ascii")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["finished"]
    assert "rmse_per_image ?" in done.out
    assert done.out.isascii()
