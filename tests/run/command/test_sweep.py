"""What failed in a sweep is a table, and its exit code tells the truth."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from covseg.errors import ConfigError, RunError, Stopped
from covseg.run.command.sweep import _explained
from covseg.run.command.sweep_task import Sweep
from covseg.run.folder import sweep_folder
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob
from covseg.train import VERB


def sweep_of(folder: Path, **reasons: str | None) -> Sweep:
    """A sweep with a job for each, by its overrides; ``None`` for a job that is finished."""
    sweep = Sweep(VERB, "", SweepFolder(folder))
    for number, (overrides, reason) in enumerate(reasons.items()):
        job = folder / str(number)
        run = RunFolder(job)
        SweepJob(number, overrides.split(), sweep.token, job, run, reason).write()
        if reason is None:
            run.provenance.write_text('{"finished": true}')
    return sweep


def test_nothing_is_said_of_a_sweep_that_went_well(tmp_path, capsys):
    sweep_of(tmp_path, **{"seed=0": None}).check()
    assert capsys.readouterr() == ("", "")


def test_the_table_fits_80_columns_and_has_every_reason_whole(tmp_path, capsys):
    refused = ConfigError("data.batch_size=64", "is " + "very " * 30 + "large", "say less")
    reasons = {
        "seed=0 data.batch_size=64": refused.sentence,
        "seed=1 data.batch_size=64": None,
        "seed=2 data.batch_size=64": "ValueError: broke " + "x" * 100,
    }
    with pytest.raises(RunError, match=r"2 of 3 jobs failed, the others are done: correct"):
        sweep_of(tmp_path, **reasons).check()
    shown = capsys.readouterr().err
    assert max(map(len, shown.splitlines())) <= 80
    words = "".join(shown.split())
    assert "verylarge:sayless." in words
    assert "seed=1" not in words


def test_a_job_whose_process_was_killed_has_failed(tmp_path, capsys):
    """With a launcher of several processes nobody else sees it."""
    sweep = sweep_of(tmp_path, **{"seed=0": None, "seed=1": None})
    (tmp_path / "1" / "provenance.json").unlink()
    with pytest.raises(RunError, match=r"1 of 2 jobs failed"):
        sweep.check()
    assert "its process ended without a message" in " ".join(capsys.readouterr().err.split())


def test_the_table_of_many_jobs_is_not_written_after_each(tmp_path, monkeypatch):
    """Protects: the tables of 1,000 jobs would read some million files, and jobs wait for them."""
    sweep, written = sweep_of(tmp_path, **{"seed=0": None, "seed=1": None}), []
    sweep.verb = replace(VERB, after_job=lambda folder: written.append(folder.table.touch()))
    for _ in range(2):
        sweep._tabulate()
    assert len(written) == 2
    monkeypatch.setattr(sweep_folder, "_MANY", 1)
    sweep._tabulate()
    assert len(written) == 2
    os.utime(sweep.folder.table, (0, 0))
    sweep._tabulate()
    assert len(written) == 3
    with pytest.raises(Stopped), sweep.interruptible():
        raise Stopped(signal.SIGTERM)
    assert len(written) == 4  # no other job will write it


def test_jobs_behind_one_that_fails_are_run(verb, tmp_path):
    words = [
        "experiment=debug",
        "hydra.sweep.dir=sweep",
        "data.batch_size=4,64,8",
        "callbacks=none",
    ]
    done = verb("train", "-m", *words)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert done.err.strip().splitlines()[-1].startswith("1 of 3 jobs failed, the others are done")
    assert "Error executing job" not in done.err  # Hydra's own words
    assert "images of Train: s" in done.err
    assert [path.name for path in (tmp_path / "sweep" / "1").iterdir()] == ["job.json"]
    for job in ("0", "2"):
        assert json.loads((tmp_path / "sweep" / job / "provenance.json").read_text())["finished"]


def test_presets_combine_and_are_narrowed_down(verb, tmp_path):
    few = ("experiment=debug", "callbacks=none", "trainer.max_epochs=1", "hydra.sweep.dir=sweep")
    done = verb("train", "-m", *few, "sweep=[seeds,losses]", "loss=dice", "seed=7,8")
    assert done.code == 0, done.err
    jobs = SweepFolder(tmp_path / "sweep").jobs()
    assert [(job.overrides[:2], job.status) for job in jobs] == [
        ([f"seed={seed}", "loss=dice"], "finished") for seed in (7, 8)
    ]


WRITTEN = ["tags=[mytag]", "tags=[/b]", "name=[red]x", "trainer.max_time=00:100:00:00"]


@pytest.mark.parametrize("word", WRITTEN)
def test_overrides_and_reasons_stand_in_the_table_as_they_were_written(word, tmp_path, capsys):
    refused = ConfigError(word, "is not possible", "mend it")
    with pytest.raises(RunError):
        sweep_of(tmp_path, **{word: refused.sentence}).check()
    words = "".join(capsys.readouterr().err.split())
    assert words.count(word) == 2
    assert f"{word}isnotpossible:mendit." in words


FEW = ("-m", "experiment=debug", "callbacks=none", "trainer.max_epochs=1", "hydra.sweep.dir=sweep")


def test_a_job_that_cannot_be_recorded_ends_the_command_with_a_sentence(verb, tmp_path):
    """There is no record then that could tell of the job."""
    lock = tmp_path / "sweep" / ".lock"
    lock.mkdir(parents=True)  # nothing can be locked
    done = verb("train", *FEW, "seed=0,1")
    assert done.code == 1
    assert "Traceback" not in done.err
    said = f"hydra.sweep.dir={lock.parent} cannot be written ([Errno 21] Is a directory"
    assert done.err.splitlines()[-1].startswith(said)


def test_a_disk_that_is_full_before_the_first_job_is_named(verb, disk):
    """What Hydra writes there itself, whose error names no file."""
    full = disk("size=4k")
    (full / "other").write_bytes(bytes(4096))
    done = verb("train", *FEW[:-1], f"hydra.sweep.dir={full}/sweep", "seed=0,1")
    assert done.code == 1
    said = f"hydra.run.dir={full}/sweep cannot be written (No space left on device)"
    assert done.err.splitlines()[-1].startswith(said)


def test_a_launcher_that_refuses_to_go_on_is_one_sentence(verb):
    """Jobs of an earlier command say nothing of this one."""
    assert verb("train", *FEW, "seed=0,1").code == 0
    joblib = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.batch_size=-1")
    done = verb("train", *FEW, "seed=0,1,2", *joblib)
    assert done.code == 1
    assert done.err.startswith("hydra/launcher=joblib cannot start the jobs (batch_size must be")


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ConnectionError("no Ray there"), "(no Ray there)"),
        (FileNotFoundError(2, "No such file", "sbatch"), "([Errno 2] No such file: 'sbatch')"),
    ],
)
def test_what_a_launcher_raises_is_no_folder_that_cannot_be_made(raised, reason):
    sentence = str(_explained(raised, "train", [], "ray", None))
    assert sentence.startswith(f"hydra/launcher=ray cannot start the jobs {reason}")


def test_a_job_that_still_runs_elsewhere_keeps_its_record(verb, tmp_path, monkeypatch):
    """Such as a job of Slurm that outlived its command."""
    assert verb("train", *FEW, "seed=0,1").code == 0
    monkeypatch.setattr(locked.__wrapped__, "__defaults__", (0.1,))
    run = RunFolder(tmp_path / "sweep" / "0")
    run.provenance.unlink()  # as before its end
    before = (run.path / "job.json").read_bytes()
    with FileLock(run.lock):
        done = verb("train", *FEW, "seed=0,1,2")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"{run.path} still runs, begun by another command")
    assert (run.path / "job.json").read_bytes() == before
    assert [job.status for job in SweepFolder(tmp_path / "sweep").jobs()][1:] == 2 * ["finished"]
