"""Hydra's refusals, in one sentence that names the override."""

import pytest

from configurations import composed
from covseg.errors import ConfigError


@pytest.mark.parametrize(
    ("overrides", "start"),
    [
        (["seed=1", "tags={a:1}", "model.depth=2"], "tags={a:1} cannot be understood ("),
        (["model.depth=2,3", "+seed=1"], "model.depth=2,3 has several values"),
        (["model.depth=2", "+seed=1"], "+seed=1 adds a key that exists: write seed=1."),
        (["tags={a:1}", "tags={b:1}"], "tags={a:1} cannot be understood ("),
    ],
)
def test_of_several_overrides_the_wrong_one_is_named(overrides: list[str], start: str) -> None:
    with pytest.raises(ConfigError) as error:
        composed("train", overrides)
    assert str(error.value).startswith(start)
