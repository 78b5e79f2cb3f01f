"""The command line as Hydra reads it."""

import pytest

from covseg.errors import ConfigError
from covseg.run.compose import composed, jobs


def test_a_sweep_becomes_its_single_runs() -> None:
    found = list(jobs(["model.depth=2,3", "optimizer=adam", "seed=range(0,2)"]))
    assert found == [
        [f"model.depth={depth}", "optimizer=adam", f"seed={seed}"]
        for depth in (2, 3)
        for seed in (0, 1)
    ]


def test_an_interval_is_the_sweepers_to_choose_from() -> None:
    assert list(jobs(["optimizer.lr=interval(0.1,1)", "seed=1"])) == [["seed=1"]]


def test_interpolations_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSEG_CACHE", "/somewhere/cache")
    monkeypatch.setenv("COVSEG_DATA", "/somewhere/archive.zip")
    data = composed("train", [])["data"]
    assert (data["cache_dir"], data["root"]) == ("/somewhere/cache", "/somewhere/archive.zip")


def test_a_key_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="run is not given: say run="):
        composed("evaluate", [])
