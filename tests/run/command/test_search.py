"""``hydra/sweeper=optuna``: the space as it is written, trials that are never lost or repeated."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lightning as L
import optuna
import pytest
from filelock import FileLock
from hydra import initialize_config_dir
from omegaconf import OmegaConf
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from covseg.config.conf import CONF
from covseg.config.search import Search
from covseg.errors import ConfigError, Pruned
from covseg.run.command.search_space import search_space
from covseg.run.folder.lock import locked
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.study import begin_study, load_study
from covseg.run.folder.sweep_folder import SweepJob
from covseg.run.verbs.prune import PruneTrial

pytestmark = pytest.mark.long

SEARCH = ("-m", "experiment=debug", "callbacks=none", "hydra/sweeper=optuna")
RATE = "optimizer.lr=tag(log,interval(1e-4,1e-2))"
OPTIONS = Search(
    n_trials=6,
    n_jobs=1,
    sampler="tpe",
    seed=0,
    objectives=["rmse_per_image"],
    pruner="median",
    storage=None,
    study="sweep",
)
TYPES = OmegaConf.create({"model": {"depth": 3}, "optimizer": {"lr": 1e-4}})


def rows(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def trials(sweep: Path) -> list[optuna.trial.FrozenTrial]:
    return load_study(sweep, OPTIONS).trials


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.lr=interval(0,1)", FloatDistribution(0, 1)),
        (RATE, FloatDistribution(1e-4, 1e-2, log=True)),
        ("model.depth=interval(1,5)", IntDistribution(1, 5)),  # the key's own value is whole
        ("+x.y=int(interval(1,5))", IntDistribution(1, 5)),
        ("model.depth=interval(0.5,1.5)", FloatDistribution(0.5, 1.5)),
        ("model.depth=range(1,8,3)", IntDistribution(1, 7, step=3)),
        ("model.depth=2,4", CategoricalDistribution(["2", "4"])),
        ("optimizer=choice(adam,sgd)", CategoricalDistribution(["adam", "sgd"])),
    ],
)
def test_the_space_is_in_hydras_own_syntax(override, expected):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        space = search_space([override, "seed=1"], TYPES)
    assert list(space.distributions.values()) == [expected]
    assert space.fixed == ["seed=1"]


def test_the_last_of_two_overrides_of_a_key_counts():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        space = search_space([RATE, "seed=1,2", "optimizer.lr=1e-3", "seed=3,4,5"], TYPES)
        assert space.fixed == ["optimizer.lr=1e-3"]
        assert space.corners() == [["optimizer.lr=1e-3", f"seed={n}"] for n in (3, 4, 5)]
        with pytest.raises(ConfigError, match="has nothing to search"):
            search_space(["seed=1"], TYPES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["hydra.sweeper.n_trials=0", RATE], "hydra.sweeper.n_trials=0 is not possible: give 1"),
        (["+hydra.sweeper.trials=3", RATE], "hydra.sweeper.trials=3 is not a key of covseg"),
        (["hydra.sweeper.sampler=tpa", RATE], "hydra.sweeper.sampler=tpa is not possible: did"),
        (["hydra.sweeper.objectives=[dice]", RATE], "has no score dice"),
        (["optimizer.lrr=interval(0,1)"], "optimizer.lrr"),
        (["model.depth=choice(2,99)"], "model.depth=99 is not possible: give 8 or less"),
        ([], "hydra/sweeper=optuna has nothing to search"),
        ([RATE, "protocol.report=Test"], "protocol.report=Test would steer the search"),
        ([RATE, "protocol=paper"], "protocol=paper scores no Val"),
        (["hydra.sweeper.pruner=median", "hydra.sweeper.objectives=[seconds]", RATE], "needs one"),
        (["hydra.sweeper.sampler=grid", RATE], "grid with the interval of optimizer.lr has no end"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_the_first_trial(words, sentence, verb, tmp_path):
    done = verb("train", *SEARCH, *words, "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("sweep/*/job.json"))


@pytest.mark.nightly  # twenty seconds
def test_a_search_goes_on_to_its_number_of_trials_and_repeats_none(verb, tmp_path):
    sweep = tmp_path / "sweep"
    words = (*SEARCH, RATE, "hydra.sweep.dir=sweep")
    assert verb("train", *words, "hydra.sweeper.n_trials=2").code == 0
    before, ages = rows(sweep), {p: p.stat().st_mtime_ns for p in sweep.glob("*/summary.json")}
    done = verb("train", *words, "hydra.sweeper.n_trials=4")
    assert done.code == 0, done.err
    after = rows(sweep)
    assert after[:2] == before
    assert len({row["optimizer.lr"] for row in after}) == 4  # no point is drawn again
    assert {path: path.stat().st_mtime_ns for path in ages} == ages
    objectives = [float(row["objective"]) for row in after]
    assert [trial.value for trial in trials(sweep)] == objectives
    assert "4 of 4 jobs by rmse_per_image on Val" in done.out
    best = min(range(4), key=objectives.__getitem__)
    assert f"Best of 4 trials: job {best} (rmse_per_image {objectives[best]:.4f})." in done.out
    assert "importance for   rmse_per_image" in done.out
    assert (
        verb("train", *SEARCH, RATE, "hydra.sweeper.n_trials=4", "hydra.sweep.dir=whole").code == 0
    )
    timeless = [[row | {"seconds": ""} for row in rows(one)] for one in (sweep, tmp_path / "whole")]
    assert timeless[0] == timeless[1]  # as if it had never been interrupted


def test_another_search_in_the_same_folder_is_refused(verb, tmp_path):
    words = (*SEARCH, RATE, "hydra.sweeper.n_trials=1", "hydra.sweep.dir=sweep")
    assert verb("train", *words).code == 0
    done = verb("train", *words, "seed=7")
    assert done.code == 1
    assert "has fixed=" in done.err
    done = verb("train", *words, "hydra.sweeper.objectives=[dice_positive]")
    assert "where this search has ['dice_positive']: give the same overrides again" in done.err
    assert len(rows(tmp_path / "sweep")) == 1


def test_a_trial_that_fails_does_not_end_the_search(verb, tmp_path):
    words = ("hydra.sweeper.sampler=grid", "data.batch_size=4,64,8", "hydra.sweeper.n_trials=9")
    done = verb("train", *SEARCH, *words, "hydra.sweep.dir=sweep")
    assert done.code == 1
    assert "1 of 3 jobs failed" in done.err
    assert "a trial that failed counts and is not run again" in done.err.splitlines()[-1]
    statuses = {row["data.batch_size"]: row["status"] for row in rows(tmp_path / "sweep")}
    assert statuses == {"4": "finished", "64": "failed", "8": "finished"}
    states = sorted(trial.state.name for trial in trials(tmp_path / "sweep"))
    assert states == ["COMPLETE", "COMPLETE", "FAIL"]


@pytest.mark.nightly  # ten seconds, most of them spent waiting
def test_a_trial_that_still_runs_elsewhere_is_waited_for(verb, tmp_path, monkeypatch):
    """Such as a job of Slurm that outlived its command, which was killed before it knew more."""
    sweep = tmp_path / "sweep"
    words = (*SEARCH, RATE, "hydra.sweep.dir=sweep")
    assert verb("train", *words, "hydra.sweeper.n_trials=1").code == 0
    run, journal = RunFolder(sweep / "0"), sweep / "study.log"
    finished, record = run.provenance.read_text(), (run.path / "job.json").read_bytes()
    run.provenance.unlink()
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))  # not told
    monkeypatch.setattr(locked.__wrapped__, "__defaults__", (0.1,))
    with FileLock(run.lock):
        done = verb("train", *words, "hydra.sweeper.n_trials=2")
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith(f"{run.path} still runs, begun by another command")
    assert (run.path / "job.json").read_bytes() == record
    assert [trial.state for trial in trials(sweep)] == [TrialState.RUNNING]
    run.provenance.write_text(finished)
    assert verb("train", *words, "hydra.sweeper.n_trials=2").code == 0
    assert [trial.state for trial in trials(sweep)] == 2 * [TrialState.COMPLETE]


@pytest.mark.nightly  # half a minute; test_kills.py kills a sweep for every change
def test_a_killed_search_runs_its_trial_again_and_no_other(tmp_path, environment, command):
    """``kill -9`` in the second trial."""
    sweep, words = tmp_path / "sweep", (*SEARCH, RATE, "hydra.sweep.dir=sweep")
    killed = subprocess.Popen(
        [sys.executable, "-m", "covseg.train", *words, "trainer.max_epochs=4"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (sweep / "1" / "checkpoints").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    before = trials(sweep)
    assert [trial.state for trial in before] == [TrialState.COMPLETE, TrialState.RUNNING]
    done = command("train", *words, "trainer.max_epochs=4", "hydra.sweeper.n_trials=3")
    assert done.code == 0, done.err
    after = trials(sweep)
    assert [trial.state for trial in after] == 3 * [TrialState.COMPLETE]
    assert [trial.params for trial in after[:2]] == [trial.params for trial in before]
    assert [row["status"] for row in rows(sweep)] == 3 * ["finished"]
    assert "Best of 3 trials: job" in (sweep / "sweep.html").read_text()


def test_several_objectives_have_a_pareto_front(verb, tmp_path):
    objectives = "hydra.sweeper.objectives=[rmse_per_image,miss_rate]"
    words = ("hydra.sweeper.sampler=grid", "optimizer.lr=1e-4,1e-2,1", "hydra.sweep.dir=sweep")
    done = verb("train", *SEARCH, objectives, *words)
    assert done.code == 0, done.err
    table = {
        row["job"]: (float(row["rmse_per_image"]), float(row["miss_rate"]))
        for row in rows(tmp_path / "sweep")
    }
    front = [
        job
        for job, (x, y) in table.items()
        if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in table.values())
    ]
    verdict = f"the Pareto front of rmse_per_image and miss_rate: {' '.join(front)}."
    assert f"Best of 3 trials, {verdict}" in done.out
    page = (tmp_path / "sweep" / "sweep.html").read_text()
    assert verdict in page
    assert "trials, and their Pareto front" in page


@pytest.mark.nightly
def test_two_trials_of_one_point_are_one_job(command, tmp_path):
    """Of five trials of two points at least two of those at a time are the same."""
    several = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "hydra.sweeper.n_jobs=3")
    words = ("data.batch_size=4,8", "hydra.sweeper.n_trials=5", "hydra.sweep.dir=sweep")
    done = command("train", *SEARCH, *several, *words)
    assert done.code == 0, done.err
    assert [row["status"] for row in rows(tmp_path / "sweep")] == 2 * ["finished"]
    assert [trial.state for trial in trials(tmp_path / "sweep")] == 5 * [TrialState.COMPLETE]


def test_a_trial_that_is_worse_than_the_others_is_pruned(fit, tmp_path):
    """Five others had an error of 0.1 after their first epoch."""
    study = begin_study(tmp_path, OPTIONS, ["minimize"])
    for _ in range(5):
        trial = study.ask({})
        trial.report(0.1, 1)
        study.tell(trial, 0.1)
    study.ask({})
    folder = tmp_path / "5"
    job = SweepJob(5, [], "", folder, RunFolder(folder), search=OPTIONS.model_dump())
    with pytest.raises(Pruned, match=r"^trial 5 was pruned after epoch 1 \(val/rmse_per_image 0\."):
        fit(callbacks=(PruneTrial(job, "val/rmse_per_image"),))


def test_the_first_trials_are_never_pruned(fit, tmp_path):
    begin_study(tmp_path, OPTIONS, ["minimize"]).ask({})
    folder = tmp_path / "0"
    job = SweepJob(0, [], "", folder, RunFolder(folder), search=OPTIONS.model_dump())
    trainer, *_ = fit(callbacks=(PruneTrial(job, "val/rmse_per_image"),))
    assert isinstance(trainer, L.Trainer)
    assert len(trials(tmp_path)[0].intermediate_values) == trainer.max_epochs
