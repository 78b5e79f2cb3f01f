"""A run folder that somebody sent: what cannot be read is refused in a sentence."""

import shutil
from pathlib import Path

import pytest
import yaml

from covseg.config import Evaluate
from covseg.errors import ConfigError, RunError
from covseg.run.compose import composed
from covseg.run.folder import config_as_changed, read_run, reported_checkpoint
from covseg.validation import check


@pytest.mark.parametrize("text", ["{", "a: [", "\x00", b"\xff\xfe\xfa".decode("latin-1")])
def test_a_configuration_that_is_no_yaml(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=r"config\.yaml is not (readable YAML|that of)"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["", "a string", "run: x", "[1, 2]"])
def test_a_configuration_of_something_else(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match="is not that of a training run"):
        read_run(tmp_path)


def test_a_configuration_with_a_key_of_another_covseg(finished_run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished_run, tmp_path / "copy"))
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["model"]["widht"] = 3
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"model\.widht=3 is not a key"):
        read_run(copy)


def test_what_is_named_replaces_the_runs_and_nothing_else(finished_run: Path) -> None:
    words = [f"run={finished_run}", "data.batch_size=3", "trainer.devices=2", "threshold=0.25"]
    before = read_run(finished_run).model_dump(by_alias=True)
    after = config_as_changed(check(Evaluate, composed("evaluate", words)))
    assert (after.data.batch_size, after.trainer.devices) == (3, 2)
    assert after.protocol.threshold == 0.25
    assert after.model.model_dump(by_alias=True) == before["model"]
    assert after.data.image_size == before["data"]["image_size"]


def test_another_dataset_takes_nothing_of_the_old_ones_place(finished_run: Path) -> None:
    words = [f"run={finished_run}", "data=covid_qu_ex", "data.root=there.zip"]
    after = config_as_changed(check(Evaluate, composed("evaluate", words)))
    assert (after.data.name, after.data.root, after.data.phantom) == (
        *("covid_qu_ex", "there.zip"),
        None,
    )


def test_the_reported_checkpoint_is_the_one_whose_scores_were_read(finished_run: Path) -> None:
    assert reported_checkpoint(finished_run) == finished_run / "checkpoints" / "best.ckpt"
