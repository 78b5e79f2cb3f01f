"""``sweep.csv`` is what the run folders say, and a sweep that goes on repeats nothing."""

import csv
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

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
        summary = json.loads((sweep / row["folder"] / "summary.json").read_text())
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


def test_a_corrected_command_adds_its_jobs_and_succeeds(sweep, verb):
    """Job 0 has another batch size now; its folder belongs to the first."""
    done = verb("train", "-m", "callbacks=none", WORDS[0], "data.batch_size=16,8", WORDS[3])
    assert done.code == 0, done.err
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


@pytest.mark.parametrize("name", ["config.yaml", "notes.txt"])
def test_files_that_are_no_jobs_are_left_alone(name, verb, tmp_path):
    """Somebody's files in a folder of the name that a job would get."""
    folder = tmp_path / "sweep" / "0"
    folder.mkdir(parents=True)
    (folder / name).write_text("mine: true\n")
    assert verb("train", "-m", *WORDS[:2], "seed=3", WORDS[3]).code == 0
    assert [path.name for path in folder.iterdir()] == [name]
    assert [row["folder"] for row in rows(tmp_path / "sweep")] == ["0_2"]


def test_a_job_folder_elsewhere_is_refused(verb, tmp_path):
    for subdir in (".", "jobs/${hydra.job.num}"):
        done = verb("train", "-m", *WORDS[:2], "seed=3", WORDS[3], f"hydra.sweep.subdir={subdir}")
        assert done.code == 1
        assert "is not a folder in the sweep folder: leave it out" in done.err


def test_a_table_that_cannot_be_written_stops_no_job(verb, tmp_path):
    (tmp_path / "sweep" / "sweep.csv").mkdir(parents=True)
    done = verb("train", "-m", *WORDS[:2], "seed=3,4", WORDS[3])
    assert done.code == 1
    assert "sweep.csv cannot be written" in done.err.splitlines()[-1]
    assert len([*tmp_path.glob("sweep/*/summary.json")]) == 2


def test_two_targets_are_compared_by_the_first(verb, tmp_path):
    both = "data.targets=[lung,infection]"  # the one that chooses is not the first by its name
    done = verb("train", "-m", *WORDS[:2], both, "tags=[/a],[/b]", "hydra.sweep.dir=../x/sweep")
    assert done.code == 0, done.err
    with_interval = [line for line in done.out.splitlines() if line.startswith("[/a]")]
    summary = json.loads((tmp_path / "../x/sweep/0/summary.json").resolve().read_text())
    assert list(summary["targets"]) == ["lung", "infection"]
    first, second = (of["scores"]["rmse_per_image"] for of in summary["targets"].values())
    assert summary["objective"]["value"] == first["value"] != second["value"]
    shown = f"{first['value']:.4f} {first['low']:.3f}–{first['high']:.3f}"
    assert shown in " ".join(with_interval[-1].split())


@pytest.mark.nightly  # twenty seconds
def test_a_sweep_of_evaluations_has_a_table(finished_run, verb, tmp_path):
    words = (f"run={finished_run}", "threshold=0.3,0.6", "split=Val,Test", "hydra.sweep.dir=sweep")
    for _ in range(2):  # a second time all is scored again: the run may have changed
        done = verb("evaluate", "-m", *words)
        assert done.code == 0, done.err
    assert done.out.count("\njob ") == 4
    table = rows(tmp_path / "sweep")
    assert [(row["threshold"], row["scored_split"]) for row in table] == [
        *(("0.3", "Val"), ("0.3", "Test"), ("0.6", "Val"), ("0.6", "Test"))
    ]
    assert "2 of 4 jobs by rmse_per_image on Val" in done.out


def test_jobs_that_report_test_say_so_before_and_after(verb, tmp_path):
    words = ("-m", *WORDS[:2], "trainer.max_epochs=1", "hydra.sweep.dir=sweep")
    done = verb("train", *words, "protocol.report=Val,Test")
    assert done.err.count("These jobs report Test: choose nothing by it") == 1
    assert "Jobs report Test: choose nothing by this table." in done.out
    assert "Jobs report Test" in (tmp_path / "sweep" / "sweep.html").read_text()
    done = verb("train", *words[:-1], "seed=1,2")
    assert "Test" not in done.err + done.out


def test_a_sweep_of_explorations_succeeds(verb):
    few = "data.phantom={seed:9,n_images:{Train:16,Val:8,Test:8},lung_tree:false}"
    done = verb("explore", "-m", "data=phantom", few, "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err


@pytest.mark.nightly  # half a minute
def test_with_several_jobs_at_a_time_the_table_is_the_same(sweep, command, tmp_path):
    """Each job is in a process of its own, whose memory nobody else sees."""
    several = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweep.dir=several")
    done = command("train", "-m", *WORDS[:3], *several)
    assert done.code == 1
    assert "1 of 3 jobs failed, the others are done" in done.err
    expected, actual = rows(sweep), rows(tmp_path / "several")
    assert [row | {"seconds": ""} for row in actual] == [row | {"seconds": ""} for row in expected]
