"""A run on a terminal of 80 columns, and in a file."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from covseg.report.progress_bar import RunProgress

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
DEBUG = ("experiment=debug", "data.phantom.n_images={Train:48,Val:8,Test:8}")


def on_terminal(words: list[str], columns: int, **known: object) -> str:
    """What a program writes to a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs, **known) as process:
        os.close(theirs)
        said = b""
        while process.poll() is None or said[-1:] != b"":
            try:
                part = os.read(ours, 65536)
            except OSError:  # it has ended
                break
            said += part
    os.close(ours)
    assert process.returncode == 0, said.decode()
    return said.decode()


@pytest.mark.parametrize("columns", [80, pytest.param(120, marks=pytest.mark.nightly)])
def test_the_bar_fits_and_says_epoch_values_speed_and_time_left(columns, environment, tmp_path):
    known = {name: value for name, value in environment.items() if name != "COLUMNS"}
    said = on_terminal(
        [sys.executable, "-m", "covseg.train", *DEBUG, "hydra.run.dir=run"],
        columns,
        cwd=tmp_path,
        env=known | {"TERM": "xterm-256color"},
    )
    lines = [line for line in re.split(r"[\r\n]+", CONTROL.sub("", said)) if line.strip()]
    shown = [line for line in lines if not line.startswith(("checkpoint:", "run folder:"))]
    assert max(len(line) for line in shown) <= columns
    # until its first values an epoch shows those of the one before, the first of which has no Val
    bars = [line for line in lines if line.startswith("epoch 2/2") and " Val " in line]
    assert bars
    for bar in bars:
        assert re.search(
            r"loss \d\.\d{3}  RMSE \d\.\d{3}  Val \d\.\d{3}  \d+(\.\d)? img/s  0:00:\d\d left", bar
        )
    assert any(line.startswith("scoring Val") for line in lines)
    assert any(line.startswith("scoring Test") for line in lines)
    assert not any("Testing" in line for line in lines)
    assert sum(line.startswith("epoch 1:") for line in lines) == 1
    assert lines[-1] == f"run folder: {tmp_path}/run"


def test_a_file_gets_no_bar_and_no_control_characters(command, tmp_path):
    done = command("train", *DEBUG, "hydra.run.dir=run")
    log = (tmp_path / "run" / "train.log").read_text()
    for text in (done.out, done.err, log):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "━━ " not in text
    assert re.search(
        r"^epoch 1: .* RMSE \d\.\d{4} \(best\), Dice .*; \d+ s$", done.err, re.MULTILINE
    )
    assert max(map(len, done.err.splitlines())) <= 80


def test_the_numbers_are_read_twice_a_second_and_not_in_each_step(fit, monkeypatch):
    reads, now = [], [100.0]
    monkeypatch.setattr("covseg.report.progress_bar.time.monotonic", lambda: now[0])
    monkeypatch.setattr(RunProgress, "_show", lambda *_: reads.append(now[0]))

    class Clock(RunProgress):
        def on_train_batch_end(self, *arguments):
            now[0] += 0.125  # seconds of a step
            super().on_train_batch_end(*arguments)

    words = ("data.phantom.n_images={Train:56,Val:4,Test:4}", "trainer.max_epochs=1")
    monkeypatch.setattr("covseg.build.trainers.RunProgress", Clock)
    fit(*words, "trainer.limit_val_batches=0", "trainer.enable_progress_bar=true")
    assert reads == [100.5, 101.0, 101.5, 101.75]  # and after the last step


def test_the_time_left_is_that_of_the_whole_run(fit, monkeypatch):
    left, now = [], [0.0]
    monkeypatch.setattr("covseg.report.progress_bar.time.monotonic", lambda: now[0])

    class Clock(RunProgress):
        def on_train_batch_end(self, trainer, *arguments):
            now[0] += 1.0
            super().on_train_batch_end(trainer, *arguments)
            left.append(self._left(trainer))

    monkeypatch.setattr("covseg.build.trainers.RunProgress", Clock)
    words = ("trainer.limit_val_batches=0", "trainer.enable_progress_bar=true")
    fit("trainer.max_epochs=5", *words)
    assert left == [[f"0:00:{n:02} left"] for n in range(9, -1, -1)]
