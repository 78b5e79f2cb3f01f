"""A run folder that may have come by mail: what it holds is read, or refused in a sentence."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from covseg.errors import ConfigError, RunError
from covseg.run.folder.run_folder import RunFolder


@pytest.fixture
def copy(finished_run: Path, tmp_path: Path) -> Path:
    """A run folder that a test may damage."""
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


def test_the_reported_checkpoint_is_the_one_whose_scores_were_read(finished_run: Path) -> None:
    assert RunFolder(finished_run).reported_checkpoint == finished_run / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize(("name", "other"), [("best", "last"), ("last", "best")])
def test_a_missing_checkpoint_is_named_with_the_one_that_is_there(name, other, copy: Path) -> None:
    path = copy / "checkpoints" / f"{name}.ckpt"
    assert RunFolder(copy).checkpoint(name) == path
    path.unlink()
    with pytest.raises(RunError, match=f"{name}.ckpt is missing, .* set checkpoint={other}"):
        RunFolder(copy).checkpoint(name)


def wrote(copy: Path, versions: object) -> None:
    """Pretend that another covseg wrote the run, and a configuration with a key of its own."""
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["width"] = 3
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    found = json.loads((copy / "provenance.json").read_text())
    (copy / "provenance.json").write_text(json.dumps(found | {"versions": versions}))


def test_another_version_is_said(copy: Path) -> None:
    wrote(copy, {"covseg": "9.8.7rc1"})
    with pytest.raises(ConfigError, match=r"^model.width=3 in .* \(written by covseg 9\.8\.7rc1, "):
        _ = RunFolder(copy).config


@pytest.mark.parametrize(
    "versions", [None, {}, [], {"covseg": 3 * [1]}, {"covseg": "\x1b[31m1.0"}, {"covseg": 99 * "1"}]
)
def test_a_version_that_is_none_is_not_said(versions: object, copy: Path) -> None:
    wrote(copy, versions)
    with pytest.raises(ConfigError, match=r"^model.width=3 in \S*config\.yaml is not a key"):
        _ = RunFolder(copy).config


def test_a_huge_value_of_a_stranger_does_not_flood_the_terminal(copy: Path) -> None:
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["seed"] = "\x1b[2J" + 10_000 * "x"
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError) as error:
        _ = RunFolder(copy).config
    assert len(str(error.value)) < 1000
    assert str(error.value).isprintable()
