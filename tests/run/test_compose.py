"""The command line as Hydra reads it."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from covseg.errors import ConfigError
from covseg.run.compose import composed, in_quotes


def test_interpolations_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSEG_CACHE", "/somewhere/cache")
    monkeypatch.setenv("COVSEG_DATA", "/somewhere/archive.zip")
    data = composed("train", [])["data"]
    assert (data["cache_dir"], data["root"]) == ("/somewhere/cache", "/somewhere/archive.zip")


def test_a_key_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="run is not given: say run="):
        composed("evaluate", [])


@given(text=st.text() | st.text(alphabet="\\\"' a"))
def test_what_is_quoted_for_the_user_is_read_back_as_it_was(text: str) -> None:
    assert OverridesParser.create().parse_override(f"name={in_quotes(text)}").value() == text


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
