"""Overrides become a configuration, also with options of the user's own."""

from pathlib import Path

import pytest

from configurations import composed
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.validation import check


def test_interpolations_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVSEG_CACHE", "/somewhere/cache")
    monkeypatch.setenv("COVSEG_DATA", "/somewhere/archive.zip")
    data = composed("train", [])["data"]
    assert (data["cache_dir"], data["root"]) == ("/somewhere/cache", "/somewhere/archive.zip")


def test_a_key_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="run is not given: set run="):
        composed("evaluate", [])


def values(folder: Path, *overrides: str) -> Train:
    return check(Train, composed("train", overrides, str(folder)))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "name",
    ["a b", "it's", 'the "best"', "a,b=[c]", "für", "back\\slash", "end\\", "${HOME}", "%20"],
)
def test_a_folder_may_have_any_name(name, tmp_path):
    write(tmp_path / name / "experiment" / "mine.yaml", "# @package _global_\nseed: 5\n")
    assert values(tmp_path / name, "experiment=mine").seed == 5


@pytest.mark.parametrize(
    ("file", "text", "override"),
    [
        ("trainer/mine.yaml", "defaults: [auto]\nmax_epochs: 7\n", "trainer=mine"),
        ("experiment/mine.yaml", "# @package trainer\nmax_epochs: 7\n", "experiment=mine"),
        ("my/own/mine.yaml", "# @package _global_\ntrainer: {max_epochs: 7}\n", "+my/own=mine"),
    ],
    ids=["an option", "a preset for a part", "a group of one's own"],
)
def test_every_package_is_where_hydra_puts_it(file, text, override, tmp_path):
    path = write(tmp_path / file, text)
    assert values(tmp_path, override).trainer.max_epochs == 7
    path.write_text(text.replace("max_epochs", "max_epoch"))
    with pytest.raises(
        ConfigError, match=r"^trainer\.max_epoch=7 .*did you mean trainer.max_epochs"
    ):
        values(tmp_path, override)


@pytest.mark.parametrize("mark", ["", "\ufeff# @package _global_\n"], ids=["none", "after a BOM"])
def test_a_preset_must_begin_with_its_package(mark, tmp_path):
    write(tmp_path / "experiment" / "mine.yaml", f"{mark}seed: 5\n")
    with pytest.raises(ConfigError, match=r"does not begin with '# @package _global_': make that"):
        values(tmp_path, "experiment=mine")
