"""``sweep.csv`` is what the run folders say, and a sweep that goes on repeats nothing."""

import csv
import json
from pathlib import Path

import pytest

WORDS = ("experiment=debug", "callbacks=none", "data.batch_size=4,8,64", "hydra.sweep.dir=sweep")


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sweep(verb, tmp_path: Path) -> Path:
    """Two jobs that are done and one that cannot be: there are 16 images."""
    done = verb("train", "-m", *WORDS)
    assert done.code == 1
    assert "2 of 3 jobs by rmse_per_image on Val, the best first" in done.out
    return tmp_path / "sweep"


def test_a_row_has_the_scores_of_its_run_with_their_bounds(sweep):
    table = rows(sweep)
    assert [row["data.batch_size"] for row in table] == ["4", "8", "64"]
    assert [row["status"] for row in table] == ["finished", "finished", "failed"]
    for row in table[:2]:
        summary = json.loads((sweep / row["run"] / "summary.json").read_text())
        assert float(row["objective"]) == summary["objective"]["value"]
        for name, entry in summary["scores"].items():
            shown = [row[f"{name}{bound}"] for bound in ("", "_low", "_high")]
            assert [float(number) if number else None for number in shown] == [*entry.values()]
    assert table[2]["reason"].startswith("data.batch_size=64 times 1 process(es) is more than")
    assert table[2]["objective"] == ""
    page = (sweep / "sweep.html").read_text()
    assert "is more than the 16 images of Train" in page
    assert (sweep / "sweep.png").read_bytes()[:4] == b"\x89PNG"


def test_a_sweep_that_goes_on_repeats_what_failed_and_nothing_that_is_done(sweep, verb):
    before, ages = rows(sweep), {p: p.stat().st_mtime_ns for p in sweep.glob("*/checkpoints/*")}
    done = verb("train", "-m", *WORDS)
    assert done.code == 1
    assert done.err.count("is finished: nothing left to do") == 2
    assert rows(sweep) == before
    assert {p: p.stat().st_mtime_ns for p in sweep.glob("*/checkpoints/*")} == ages


def test_more_jobs_find_their_place_beside_those_that_are_done(sweep, verb):
    """Job 0 has another batch size now; its folder belongs to the first."""
    done = verb("train", "-m", *WORDS[:2], "data.batch_size=16,8", WORDS[3])
    assert done.err.count("is finished: nothing left to do") == 1
    statuses = {row["data.batch_size"]: row["status"] for row in rows(sweep)}
    assert statuses == {"4": "finished", "8": "finished", "64": "failed", "16": "finished"}


def test_the_folder_of_another_configuration_is_refused(sweep, verb, tmp_path):
    config = (sweep / "0" / "config.yaml").read_text()
    (sweep / "0" / "config.yaml").write_text(config.replace("lr: 0.0001", "lr: 0.001"))
    done = verb("train", "-m", *WORDS)
    assert "where this sweep has optimizer.lr=0.0001 now: start another sweep" in " ".join(
        done.err.split()
    )
    assert [row["status"] for row in rows(sweep)] == ["failed", "finished", "failed"]


def test_a_folder_that_is_no_jobs_is_left_alone(verb, tmp_path):
    """Somebody's run in a folder of the name that a job would get."""
    run = tmp_path / "sweep" / "0"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("mine: true\n")
    assert verb("train", "-m", *WORDS[:2], "seed=3", WORDS[3]).code == 0
    assert [path.name for path in run.iterdir()] == ["config.yaml"]
    assert [row["run"] for row in rows(tmp_path / "sweep")] == ["0_2"]


def test_a_sweep_of_evaluations_has_a_table(finished_run, verb, tmp_path):
    words = (f"run={finished_run}", "threshold=0.3,0.6", "hydra.sweep.dir=sweep")
    done = verb("evaluate", "-m", *words)
    assert done.code == 0, done.err
    table = rows(tmp_path / "sweep")
    assert [row["threshold"] for row in table] == ["0.3", "0.6"]
    assert all(row["status"] == "finished" and row["split"] == "Test" for row in table)


@pytest.mark.long
def test_with_several_jobs_at_a_time_the_table_is_the_same(sweep, command, tmp_path):
    """Each job is in a process of its own, whose memory nobody else sees."""
    several = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=several")
    done = command("train", "-m", *WORDS[:3], *several)
    assert done.code == 1
    assert "1 of 3 jobs failed, the others are done" in done.err
    expected, actual = rows(sweep), rows(tmp_path / "several")
    assert [row | {"seconds": ""} for row in actual] == [row | {"seconds": ""} for row in expected]
