"""Hydra's refusals, in one sentence that names the override."""

import importlib.util

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


@pytest.mark.parametrize(
    ("launcher", "extra", "package"),
    [
        ("slurm", "slurm", "hydra_submitit_launcher"),
        ("slurm_nodes", "slurm", "hydra_submitit_launcher"),
        ("ray", "ray", "hydra_ray_launcher"),
    ],
)
def test_a_launcher_that_is_not_installed_is_named_as_it_was_typed(
    launcher: str, extra: str, package: str
) -> None:
    if importlib.util.find_spec(f"hydra_plugins.{package}"):
        pytest.skip(f"{package} is installed")
    name = package.replace("_", "-")
    with pytest.raises(ConfigError) as error:
        composed("train", ["seed=1", f"hydra/launcher={launcher}"])
    remedy = f"pip install 'covseg[{extra}]'"
    assert str(error.value) == f"hydra/launcher={launcher} needs {name}: {remedy}."
