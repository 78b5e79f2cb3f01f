"""The command line as Hydra reads it."""

import pytest

from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import composed


def test_interpolations_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSEG_CACHE", "/somewhere/cache")
    monkeypatch.setenv("COVSEG_DATA", "/somewhere/archive.zip")
    data = composed("train", [])["data"]
    assert (data["cache_dir"], data["root"]) == ("/somewhere/cache", "/somewhere/archive.zip")


def test_a_key_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="run is not given: say run="):
        composed("evaluate", [])


@pytest.mark.parametrize(
    ("overrides", "start"),
    [
        (["seed=1", "tags={a:1}", "model.depth=2"], "tags={a:1} is not possible ("),
        (["model.depth=2,3", "+seed=1"], "model.depth=2,3 is several values"),
        (["model.depth=2", "+seed=1"], "+seed=1 adds what is there: write seed=1."),
        (["tags={a:1}", "tags={b:1}"], "the command line cannot be understood ("),
    ],
)
def test_of_several_overrides_the_wrong_one_is_named(overrides: list[str], start: str) -> None:
    with pytest.raises(ConfigError) as error:
        composed("train", overrides)
    assert str(error.value).startswith(start)
