"""What failed in a sweep is a table, and its exit code tells the truth."""

import gc
import json
import os
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

from covseg.errors import ConfigError, RunError
from covseg.run.command import sweep_task
from covseg.run.command.sweep_task import Sweep, _without_locals
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.train import VERB


def sweep_of(folder: Path, **reasons: str | None) -> Sweep:
    """A sweep with a job for each, by its overrides; ``None`` for a job that is finished."""
    sweep = Sweep(VERB, "", SweepFolder(folder))
    for number, (overrides, reason) in enumerate(reasons.items()):
        job = folder / str(number)
        run = RunFolder(job)
        SweepJob(number, overrides.split(), sweep.token, job, run, reason).write()
        if reason is None:
            run.provenance.write_text('{"finished": true}')
    return sweep


def test_nothing_is_said_of_a_sweep_that_went_well(tmp_path, capsys):
    sweep_of(tmp_path, **{"seed=0": None}).check()
    assert capsys.readouterr() == ("", "")


def test_the_table_fits_80_columns_and_has_every_reason_whole(tmp_path, capsys):
    refused = ConfigError("data.batch_size=64", "is " + "very " * 30 + "large", "say less")
    reasons = {
        "seed=0 data.batch_size=64": refused.sentence,
        "seed=1 data.batch_size=64": None,
        "seed=2 data.batch_size=64": "ValueError: broke " + "x" * 100,
    }
    with pytest.raises(RunError, match=r"2 of 3 jobs failed, the others are done: correct"):
        sweep_of(tmp_path, **reasons).check()
    shown = capsys.readouterr().err
    assert max(map(len, shown.splitlines())) <= 80
    words = "".join(shown.split())
    assert "verylarge:sayless." in words
    assert "seed=1" not in words


def test_a_job_whose_process_was_killed_has_failed(tmp_path, capsys):
    """With a launcher of several processes nobody else sees it."""
    sweep = sweep_of(tmp_path, **{"seed=0": None, "seed=1": None})
    (tmp_path / "1" / "provenance.json").unlink()
    with pytest.raises(RunError, match=r"1 of 2 jobs failed"):
        sweep.check()
    assert "its process ended without a message" in " ".join(capsys.readouterr().err.split())


def test_the_table_of_many_jobs_is_not_written_after_each(tmp_path, monkeypatch):
    """Protects: the tables of 1,000 jobs would read some million files, and jobs wait for them."""
    sweep, written = sweep_of(tmp_path, **{"seed=0": None, "seed=1": None}), []
    sweep.verb = replace(VERB, after_job=lambda folder: written.append(folder.table.touch()))
    for _ in range(2):
        sweep._tabulate()
    assert len(written) == 2
    monkeypatch.setattr(sweep_task, "_MANY", 1)
    sweep._tabulate()
    assert len(written) == 2
    os.utime(sweep.folder.table, (0, 0))
    sweep._tabulate()
    assert len(written) == 3


def test_jobs_behind_one_that_fails_are_run(verb, tmp_path):
    words = [
        "experiment=debug",
        "hydra.sweep.dir=sweep",
        "data.batch_size=4,64,8",
        "callbacks=none",
    ]
    done = verb("train", "-m", *words)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert done.err.strip().splitlines()[-1].startswith("1 of 3 jobs failed, the others are done")
    assert "Error executing job" not in done.err  # Hydra's own words
    assert "images of Train: s" in done.err
    assert [path.name for path in (tmp_path / "sweep" / "1").iterdir()] == ["job.json"]
    for job in ("0", "2"):
        assert json.loads((tmp_path / "sweep" / job / "provenance.json").read_text())["finished"]


WRITTEN = ["tags=[mytag]", "tags=[/b]", "name=[red]x", "trainer.max_time=00:100:00:00"]


@pytest.mark.parametrize("word", WRITTEN)
def test_overrides_and_reasons_stand_in_the_table_as_they_were_written(word, tmp_path, capsys):
    refused = ConfigError(word, "is not possible", "mend it")
    with pytest.raises(RunError):
        sweep_of(tmp_path, **{word: refused.sentence}).check()
    words = "".join(capsys.readouterr().err.split())
    assert words.count(word) == 2
    assert f"{word}isnotpossible:mendit." in words


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
        error = _without_locals(raised)
    gc.collect()
    assert [memory() for memory in memories] == [None, None, None]
    assert type(error.__cause__.__context__) is IndexError
    assert error.__traceback__ is not None  # where it failed is still known


def test_an_error_that_leads_back_to_itself_ends():
    error = ValueError("broke")
    error.__context__ = KeyError("x")
    error.__context__.__cause__ = error
    assert _without_locals(error) is error
