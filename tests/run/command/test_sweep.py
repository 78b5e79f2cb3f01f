"""What failed in a sweep is a table, and its exit code tells the truth."""

import contextlib
import gc
import json
import weakref
from pathlib import Path

import pytest

from covseg.errors import ConfigError, RunError
from covseg.run.command.sweep import Sweep
from covseg.train import VERB


def sweep_of_nothing() -> Sweep:
    return Sweep(VERB, "")


def test_nothing_is_said_of_a_sweep_that_went_well(capsys):
    sweep = sweep_of_nothing()
    with sweep._recorded(Path("0"), ["seed=0"]):
        pass
    sweep.check()
    assert capsys.readouterr() == ("", "")


def test_the_table_fits_80_columns_and_has_every_reason_whole(capsys):
    sweep = sweep_of_nothing()
    errors = [
        ConfigError("data.batch_size=64", "is " + "very " * 30 + "large", "say less"),
        None,
        ValueError("broke " + "x" * 100),
    ]
    for number, error in enumerate(errors):
        with (
            contextlib.suppress(ConfigError, ValueError),
            sweep._recorded(Path(f"sweep/{number}"), [f"seed={number}", "data.batch_size=64"]),
        ):
            if error:
                raise error
    with pytest.raises(RunError, match=r"2 of 3 jobs failed, the others are done: correct"):
        sweep.check()
    shown = capsys.readouterr().err
    assert max(map(len, shown.splitlines())) <= 80
    words = "".join(shown.split())
    assert "verylarge:sayless." in words
    assert "seed=1" not in words


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
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {"0", "2", "multirun.yaml"}
    for job in ("0", "2"):
        assert json.loads((tmp_path / "sweep" / job / "provenance.json").read_text())["finished"]


WRITTEN = ["tags=[mytag]", "tags=[/b]", "name=[red]x", "trainer.max_time=00:100:00:00"]


@pytest.mark.parametrize("word", WRITTEN)
def test_overrides_and_reasons_stand_in_the_table_as_they_were_written(word, capsys):
    sweep = sweep_of_nothing()
    with contextlib.suppress(ConfigError), sweep._recorded(Path("sweep/0"), [word]):
        raise ConfigError(word, "is not possible", "mend it")
    with pytest.raises(RunError):
        sweep.check()
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
    sweep, kept = sweep_of_nothing(), list[weakref.ref[Memory]]()
    with contextlib.suppress(ValueError), sweep._recorded(Path("sweep/0"), ["seed=0"]):
        fail(kept)
    gc.collect()
    assert [found() for found in kept] == [None, None, None]
    assert type(sweep.error) is ValueError
    assert type(sweep.error.__cause__.__context__) is IndexError
    assert sweep.error.__traceback__ is not None  # where it failed is still known


def test_an_error_that_leads_back_to_itself_ends():
    sweep, error = sweep_of_nothing(), ValueError("broke")
    error.__context__ = KeyError("x")
    error.__context__.__cause__ = error
    with contextlib.suppress(ValueError), sweep._recorded(Path("sweep/0"), []):
        raise error
    assert sweep.error is error
