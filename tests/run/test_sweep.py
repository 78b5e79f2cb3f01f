"""What failed in a sweep is a table, and its exit code tells the truth."""

import contextlib
import json
from pathlib import Path

import pytest

from covseg.errors import ConfigError, RunError
from covseg.run.sweep import Sweep


def test_nothing_is_said_of_a_sweep_that_went_well(capsys):
    sweep = Sweep()
    with sweep.noted(Path("0"), ["seed=0"]):
        pass
    sweep.check()
    assert capsys.readouterr() == ("", "")


def test_the_table_fits_80_columns_and_has_every_reason_whole(capsys):
    sweep = Sweep()
    errors = [
        ConfigError("data.batch_size=64", "is " + "very " * 30 + "large", "say less"),
        None,
        ValueError("broke " + "x" * 100),
    ]
    for number, error in enumerate(errors):
        with (
            contextlib.suppress(ConfigError, ValueError),
            sweep.noted(Path(f"sweep/{number}"), [f"seed={number}", "data.batch_size=64"]),
        ):
            if error:
                raise error
    with pytest.raises(RunError, match=r"2 of 3 jobs failed, the others are done: mend"):
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
    assert "images of Train: say" in done.err
    assert {path.name for path in (tmp_path / "sweep").iterdir()} == {"0", "2", "multirun.yaml"}
    for job in ("0", "2"):
        assert json.loads((tmp_path / "sweep" / job / "provenance.json").read_text())["finished"]
