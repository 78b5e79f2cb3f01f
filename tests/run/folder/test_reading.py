"""A run folder that somebody sent: what it says is read, and what it names is found."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from covseg.config.evaluate import Evaluate
from covseg.errors import ConfigError, RunError
from covseg.run.command.hydra_errors import composed
from covseg.run.folder.reading import (
    checkpoint_of,
    config_as_changed,
    read_run,
    reported_checkpoint,
)
from covseg.validation import check


def changed(*words: str):
    return config_as_changed(check(Evaluate, composed("evaluate", list(words))))


@pytest.fixture
def copy(finished_run: Path, tmp_path: Path) -> Path:
    """A run folder that a test may damage."""
    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


def test_what_is_named_replaces_the_runs_and_nothing_else(finished_run: Path) -> None:
    before = read_run(finished_run).model_dump(by_alias=True)
    words = ["data.batch_size=3", "trainer.devices=2", "threshold=0.25", "data.cache_dir=here"]
    after = changed(f"run={finished_run}", *words).model_dump(by_alias=True)
    before["data"] |= {"batch_size": 3, "cache_dir": "here"}
    before["trainer"]["devices"] = 2
    before["protocol"]["threshold"] = 0.25
    assert after == before


def test_another_dataset_takes_nothing_of_the_old_ones_place(finished_run: Path) -> None:
    after = changed(f"run={finished_run}", "data=covid_qu_ex", "data.root=there.zip").data
    assert (after.name, after.root, after.phantom) == ("covid_qu_ex", "there.zip", None)


def test_the_reported_checkpoint_is_the_one_whose_scores_were_read(finished_run: Path) -> None:
    assert reported_checkpoint(finished_run) == finished_run / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_checkpoint_that_is_asked_for_is_the_one_that_is_taken(name: str, copy: Path) -> None:
    words = (f"run={copy}", f"checkpoint={name}")
    assert changed(*words).protocol.checkpoint == name
    path = checkpoint_of(copy, name)
    assert path == copy / "checkpoints" / f"{name}.ckpt"
    path.unlink()
    other = {"best": "last", "last": "best"}[name]
    with pytest.raises(RunError, match=f"{name}.ckpt is not there, .* say checkpoint={other}"):
        changed(*words)


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
        read_run(copy)


@pytest.mark.parametrize(
    "versions", [None, {}, [], {"covseg": 3 * [1]}, {"covseg": "\x1b[31m1.0"}, {"covseg": 99 * "1"}]
)
def test_a_version_that_is_none_is_not_said(versions: object, copy: Path) -> None:
    wrote(copy, versions)
    with pytest.raises(ConfigError, match=r"^model.width=3 in \S*config\.yaml is not a key"):
        read_run(copy)


def test_a_key_that_could_have_moved_to_two_places_is_only_refused(copy: Path) -> None:
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["trainer"]["name"] = "x"  # now there are data.name, protocol.name and name
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"^trainer\.name=x in .* is not a key of covseg: "):
        read_run(copy)


def test_a_huge_value_of_a_stranger_does_not_flood_the_terminal(copy: Path) -> None:
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["seed"] = "\x1b[2J" + 10_000 * "x"
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError) as error:
        read_run(copy)
    assert len(str(error.value)) < 1000
    assert str(error.value).isprintable()
