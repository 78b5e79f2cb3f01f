"""What an evaluation replaces of a run's configuration."""

from pathlib import Path

import pytest

from configurations import composed
from covseg.config.evaluate import Evaluate
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.request import Request, read_request
from covseg.validation import check


def request(*overrides: str) -> Request:
    return read_request(check(Evaluate, composed("evaluate", overrides)))


def test_what_is_named_replaces_the_runs_and_nothing_else(finished_run: Path) -> None:
    before = RunFolder(finished_run).config.model_dump(by_alias=True)
    words = ["data.batch_size=3", "trainer.devices=2", "threshold=0.25", "data.cache_dir=/here"]
    after = request(f"run={finished_run}", *words).config.model_dump(by_alias=True)
    before["data"] |= {"batch_size": 3, "cache_dir": "/here"}
    before["trainer"]["devices"] = 2
    before["protocol"]["threshold"] = 0.25
    assert after == before


def test_another_dataset_takes_nothing_of_the_old_ones_place(finished_run: Path) -> None:
    after = request(f"run={finished_run}", "data=covid_qu_ex", "data.root=/there.zip").config.data
    assert (after.name, after.root, after.phantom) == ("covid_qu_ex", "/there.zip", None)


def test_what_is_missing_may_differ_by_target(finished_run: Path) -> None:
    """Protects: an evaluation takes whatever a training takes."""
    words = ("data=table", "data.root=rows.csv", "data.without_mask={infection:empty}")
    after = request(f"run={finished_run}", *words).config.data
    assert after.without_mask == {"infection": "empty"}


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_checkpoint_that_is_named_is_scored(name: str, finished_run: Path) -> None:
    asked = request(f"run={finished_run}", f"checkpoint={name}")
    assert asked.config.protocol.checkpoint == name
    assert asked.checkpoint == finished_run / "checkpoints" / f"{name}.ckpt"
