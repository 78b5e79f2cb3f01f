"""Presets of the user's own: wherever they lie, Hydra reads them as it reads covseg's."""

from pathlib import Path

import pytest

from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import composed
from covseg.run.command.presets import located, searchpath
from covseg.validation import check


def values(folder: Path, *overrides: str) -> Train:
    with located(overrides):
        return check(Train, composed("train", [*overrides, searchpath(str(folder))]))


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
    line = 1 + text.partition("max_epochs")[0].count("\n")
    with pytest.raises(ConfigError, match=rf"^trainer\.max_epoch=7 in .*mine.yaml, line {line},"):
        values(tmp_path, override)


def test_a_group_of_ones_own_must_say_where_its_keys_go(tmp_path):
    write(tmp_path / "my" / "own" / "mine.yaml", "seed: 5\n")
    with pytest.raises(ConfigError, match=r"so all it sets would land below my\.own"):
        values(tmp_path, "+my/own=mine")


def test_what_the_command_line_sets_is_not_the_presets_fault(tmp_path):
    write(tmp_path / "experiment" / "mine.yaml", "# @package _global_\nseed: 5\n")
    with pytest.raises(ConfigError, match=r"^seed=-1 is not"):
        values(tmp_path, "experiment=mine", "seed=-1")


def test_a_file_that_the_last_composition_read_is_forgotten(tmp_path):
    write(tmp_path / "experiment" / "mine.yaml", "# @package _global_\nseed: 5\n")
    values(tmp_path, "experiment=mine")
    with pytest.raises(ConfigError, match=r"^seed=-1 is not"), located([]):
        raise ConfigError("seed=-1", "is not possible", "give 0 or more")


@pytest.mark.parametrize("text", ["# @package _global_\nseed: 5\n", "seed: 5\n", ""])
def test_a_mark_of_the_byte_order_is_told(text, tmp_path):
    """Protects: Hydra would not see the first line after it, nor the first key."""
    path = write(tmp_path / "experiment" / "mine.yaml", f"\ufeff{text}")
    with pytest.raises(ConfigError) as error:
        values(tmp_path, "experiment=mine")
    assert str(error.value) == (
        f"{path} begins with a byte-order mark, which Hydra takes for a letter: save it as UTF-8 "
        "without one."
    )
