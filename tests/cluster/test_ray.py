"""``hydra/launcher=ray``: the jobs of a sweep, each on two processes, as tasks of a real Ray."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

pytest.importorskip("ray", reason="pip install -e '.[ray]'")


def rows(sweep: Path) -> list[dict[str, str]]:
    """Of the table, without what is of this very sweep."""
    table = csv.DictReader((sweep / "sweep.csv").open())
    return [{key: row[key] for key in row if key not in {"seconds", "folder"}} for row in table]


def test_the_table_is_that_of_the_basic_launcher(command: Callable, tmp_path: Path) -> None:
    words = ("experiment=debug", "callbacks=none", "trainer.devices=2", "data.batch_size=4,8,64")
    for launcher in ("basic", "ray"):
        folder = f"hydra.sweep.dir={launcher}"
        done = command("train", "-m", *words, f"hydra/launcher={launcher}", folder)
        assert done.code == 1
        assert done.err.splitlines()[-1].startswith("1 of 3 jobs failed, the others are done")
    assert [row["status"] for row in rows(tmp_path / "ray")] == ["finished", "finished", "failed"]
    assert rows(tmp_path / "ray") == rows(tmp_path / "basic")
