"""``resume``: which run goes on, what may be different then, and what is refused by name."""

import contextlib
import csv
import itertools
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from configurations import composed
from covseg.data.phantom.dataset import write
from covseg.errors import Stopped
from covseg.learn.save import SaveProgress
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.training import Training

pytestmark = pytest.mark.long

DEBUG = ("experiment=debug", "callbacks=none")


def provenance(run: Path) -> dict:
    return json.loads((run / "provenance.json").read_text())


def unfinish(run: Path) -> None:
    """As if the run had been killed while it was scored."""
    found = provenance(run)
    del found["finished"]
    (run / "provenance.json").write_text(json.dumps(found))


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def files(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_a_finished_run_has_nothing_left_to_do(run, verb):
    before = files(run)
    done = verb("train", "resume=run")
    assert (done.code, done.out) == (0, "")
    assert done.err.endswith("run is finished: nothing left to do\n")
    assert files(run) == before


def test_a_run_that_was_killed_while_it_was_scored_is_scored(run, verb, finished_run):
    unfinish(run)
    (run / "summary.json").unlink()
    done = verb("train", "resume=run")
    assert done.code == 0, done.err
    assert "epoch" not in done.err
    for name in ("summary.json", "per_image.csv", "metrics.csv"):
        assert (run / name).read_bytes() == (finished_run / name).read_bytes()
    assert provenance(run)["finished"]
    [again] = provenance(run)["resumed"]
    assert (again["epoch"], again["batch"]) == (3, 0)
    assert again["command"] == "python -m covseg.train resume=run"


def test_before_the_first_checkpoint_it_starts_over(run, verb, finished_run):
    unfinish(run)
    shutil.rmtree(run / "checkpoints")
    done = verb("train", "resume=run")
    assert done.code == 0, done.err
    assert "epoch 1" in done.err
    for name in ("summary.json", "per_image.csv", "metrics.csv"):
        assert (run / name).read_bytes() == (finished_run / name).read_bytes()


def test_a_longer_run_is_the_run_that_was_long_from_the_start(run, verb, tmp_path):
    done = verb("train", "resume=run", "trainer.max_epochs=3")
    assert done.code == 0, done.err
    assert [f"epoch {n}:" in done.err for n in (1, 2, 3)] == [False, False, True]
    done = verb("train", "experiment=debug", "trainer.max_epochs=3", "hydra.run.dir=long")
    for name in ("summary.json", "per_image.csv", "metrics.csv"):
        assert (run / name).read_bytes() == (tmp_path / "long" / name).read_bytes()
    assert RunFolder(run).config == RunFolder(tmp_path / "long").config


def test_a_run_keeps_the_precision_that_auto_was_where_it_began(verb, tmp_path, monkeypatch):
    words = ("experiment=debug", "trainer.precision=auto", "trainer.max_epochs=1")
    for amx, precision in ((True, "bf16-mixed"), (False, "32-true")):
        for unit in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
            monkeypatch.setattr(torch.cpu, unit, lambda amx=amx: amx)
        done = verb("train", *words, f"hydra.run.dir=runs/{amx}")
        assert f"precision {precision}" in done.err
        assert RunFolder(tmp_path / "runs" / str(amx)).config.trainer.precision == precision
        unfinish(tmp_path / "runs" / str(amx))
    # auto is no other precision, on a machine where it would be another today
    done = verb("train", "resume=runs/True", "trainer.precision=auto")
    assert done.code == 0, done.err
    assert RunFolder(tmp_path / "runs/True").config.trainer.precision == "bf16-mixed"
    done = verb("train", *words, "resume=auto", "hydra.run.dir=runs/new")
    assert done.code == 0, done.err
    assert not (tmp_path / "runs/new").exists()
    done = verb("train", "resume=runs/True", "trainer.precision=32")
    assert "trainer.precision=32 would change the result" in done.err


def test_a_longer_run_that_is_stopped_is_not_finished(run, verb, monkeypatch):
    def stopped(training: Training) -> None:
        raise Stopped(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "fit", stopped)
        assert verb("train", "resume=run", "trainer.max_epochs=3").code == 75
    assert "finished" not in provenance(run)
    done = verb("train", "resume=run")
    assert done.code == 0, done.err
    assert "epoch 3:" in done.err
    assert provenance(run)["finished"]


def test_another_number_of_processes_is_refused(run, verb):
    """Protects: trainer.devices=auto may mean another number on another machine."""
    unfinish(run)
    path = run / "checkpoints" / "last.ckpt"
    stored = torch.load(path, weights_only=True)
    stored["covseg"]["processes"] *= 2
    torch.save(stored, path)
    done = verb("train", "resume=run")
    assert done.code == 1
    assert "means 1 process(es) here, and" in done.err
    assert "was begun with 2: continue where there are as many" in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "model.depth=3",
            "model.depth=3 would change the result of {run}, which has model.depth=2",
        ),
        (
            "optimizer=adamw",
            "optimizer._target_=torch.optim.AdamW would change the result of {run}",
        ),
        ("experiment=demo", "would change the result of {run}"),
        (
            "seed=1 trainer.max_epochs=9",
            "seed=1 would change the result of {run}, which has seed=0",
        ),
        ("trainer.max_epochs=null", "trainer.max_epochs=null cannot take the place of 2"),
        ("trainer.max_epochs=1", "trainer.max_epochs=1 cannot take the place of 2"),
        ("trainer.devices=2", "trainer.devices=2 would change the result of {run}"),
    ],
)
def test_what_would_change_the_result_is_refused_by_name(words, sentence, run, verb, tmp_path):
    before = files(run)
    done = verb("train", "resume=run", *words.split())
    assert done.code == 1
    assert sentence.format(run=run) in done.err
    assert done.err.count("\n") == 1
    assert files(run) == before
    assert not list(tmp_path.glob("outputs/train/*"))


def test_what_does_not_change_the_result_may_be_said(run, verb, finished_run):
    unfinish(run)
    done = verb("train", "resume=run", "data.num_workers=1", "model.depth=2")
    assert done.code == 0, done.err
    assert (run / "summary.json").read_bytes() == (finished_run / "summary.json").read_bytes()
    assert "num_workers: 1" in (run / "config.yaml").read_text()


def test_a_schedule_by_steps_has_planned_for_its_length(verb):
    words = ("scheduler=one_cycle", "hydra.run.dir=run")
    assert verb("train", *DEBUG, *words).code == 0
    done = verb("train", "resume=run", "trainer.max_epochs=3")
    assert "trainer.max_epochs=3 cannot take the place of 2, which was planned for" in done.err


def test_auto_takes_the_newest_unfinished_run_of_this_configuration(verb, tmp_path):
    for name, seed in (("old", 0), ("new", 0), ("other", 1), ("finished", 0)):
        done = verb("train", *DEBUG, f"seed={seed}", f"hydra.run.dir=runs/{name}")
        assert done.code == 0, done.err
        time.sleep(0.01)  # their configurations' times tell which is newer
        if name != "finished":
            unfinish(tmp_path / "runs" / name)
    for name in ("new", "old"):
        done = verb("train", *DEBUG, "resume=auto", "hydra.run.dir=runs/fresh")
        assert done.code == 0, done.err
        assert provenance(tmp_path / "runs" / name)["finished"]
    assert not provenance(tmp_path / "runs" / "other").get("finished")
    done = verb("train", *DEBUG, "resume=auto", "hydra.run.dir=runs/fresh")
    assert done.err.endswith("is finished: nothing left to do\n")
    assert not (tmp_path / "runs" / "fresh").exists()
    done = verb("train", *DEBUG, "seed=2", "resume=auto", "hydra.run.dir=runs/fresh")
    assert provenance(tmp_path / "runs" / "fresh")["finished"]


@pytest.mark.nightly  # ten seconds
def test_auto_goes_on_with_a_sweep(verb, tmp_path):
    words = ("-m", *DEBUG, "seed=0,1", "resume=auto")
    assert verb("train", *words, "hydra.sweep.dir=runs/first").code == 0
    unfinish(tmp_path / "runs" / "first" / "1")
    done = verb("train", *words, "hydra.sweep.dir=runs/second")
    assert done.code == 0, done.err
    assert "runs/first/0 is finished: nothing left to do" in done.err
    assert provenance(tmp_path / "runs" / "first" / "1")["resumed"]
    second = tmp_path / "runs" / "second"
    assert [path.name for path in (second / "0").iterdir()] == ["job.json"]
    with (second / "sweep.csv").open() as file:
        runs = [row["folder"] for row in csv.DictReader(file)]
    assert runs == [str(tmp_path / "runs" / "first" / job) for job in ("0", "1")]


def test_auto_never_takes_a_job_of_its_own_sweep(verb, tmp_path):
    words = ("-m", *DEBUG, "data.num_workers=0,1", "resume=auto", "hydra.sweep.dir=sweep")
    done = verb("train", *words)
    assert done.code == 0, done.err
    assert all(provenance(tmp_path / "sweep" / job)["finished"] for job in ("0", "1"))


def test_auto_takes_no_run_of_another_place(verb, tmp_path):
    for seed in (0, 1):
        write(tmp_path / f"data{seed}", seed, {"Train": 8, "Val": 4, "Test": 4}, size=32)
        words = ("data=covid_qu_ex", f"data.root=data{seed}", f"hydra.run.dir=runs/{seed}")
        assert verb("train", *DEBUG, *words, "resume=auto").code == 0
        assert provenance(tmp_path / "runs" / str(seed))["finished"]


def test_a_checkpoint_that_was_torn_is_not_trusted(run, verb):
    unfinish(run)
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-100])
    done = verb("train", "resume=run")
    assert done.code == 1
    assert "last.ckpt is not a complete checkpoint" in done.err


def test_other_data_is_refused(verb, tmp_path):
    for seed in (0, 1):
        write(tmp_path / f"data{seed}", seed, {"Train": 8, "Val": 4, "Test": 4}, size=32)
    words = ("data=covid_qu_ex", "hydra.run.dir=run")
    assert verb("train", *DEBUG, *words, "data.root=data0").code == 0
    unfinish(tmp_path / "run")
    done = verb("train", "resume=run", "data.root=data1")
    assert done.code == 1
    assert "data1 holds other images than those that the run began with" in done.err
    (tmp_path / "data0").rename(tmp_path / "moved")
    done = verb("train", "resume=run", "data.root=moved")
    assert done.code == 0, done.err


def test_a_run_that_goes_on_may_get_a_logger_tags_and_a_name(run, verb):
    unfinish(run)
    before = RunFolder(run).config.model_dump(by_alias=True)
    done = verb("train", "resume=run", "logger=tensorboard", "tags=[a]", "name=b")
    assert done.code == 0, done.err
    assert provenance(run)["finished"]
    logger = composed("train", ["logger=tensorboard"])["logger"]
    expected = before | {"logger": logger, "tags": ["a"], "name": "b"}
    assert RunFolder(run).config.model_dump(by_alias=True) == expected


def test_a_run_that_goes_on_may_lose_its_logger(verb, tmp_path):
    words = ("trainer.max_epochs=1", "logger=tensorboard", "hydra.run.dir=run")
    assert verb("train", *DEBUG, *words).code == 0
    unfinish(tmp_path / "run")
    done = verb("train", "resume=run", "logger=none")
    assert done.code == 0, done.err
    assert RunFolder(tmp_path / "run").config.logger == {}


def epochs(run: Path) -> list[int]:
    """Those that ``metrics.csv`` has."""
    with contextlib.suppress(FileNotFoundError), (run / "metrics.csv").open() as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]
    return []


@contextlib.contextmanager
def ticking() -> Iterator[None]:
    """The clock goes on by a second whenever it is asked whether the time is over."""
    with pytest.MonkeyPatch.context() as patched:
        clock = SimpleNamespace(monotonic=itertools.count().__next__)
        patched.setattr("covseg.learn.save.time", clock)
        yield


def test_a_run_whose_time_is_over_is_scored_and_goes_on_when_it_is_told_to(verb, tmp_path):
    words = ("trainer.max_epochs=5000", "trainer.max_time=00:00:00:01", "hydra.run.dir=run")
    done = verb("train", *DEBUG, *words)
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert re.search(r"trainer\.max_time=00:00:00:01 .* after .*epoch \d+; resume=", done.err)
    assert "finished" not in provenance(run)
    assert provenance(run)["interrupted"].startswith("after ")
    assert (run / "summary.json").exists()
    first = epochs(run)
    with ticking():
        done = verb("train", "resume=run", "trainer.max_time=00:00:00:12")
    assert done.code == 0, done.err
    assert len(first) < len(epochs(run)) < len(first) + 6
    assert epochs(run) == list(range(1, len(epochs(run)) + 1))
    assert "finished" not in provenance(run)


@pytest.mark.parametrize(
    ("seconds", "done_by_then", "where"), [(3, [], "batch 2 of epoch 1"), (5, [1], "epoch 1")]
)
def test_a_run_whose_time_is_over_and_goes_on_is_the_run_that_had_the_time(
    seconds, done_by_then, where, verb, tmp_path, finished_run
):
    with ticking():
        words = (f"trainer.max_time=00:00:00:{seconds:02}", "hydra.run.dir=run")
        done = verb("train", *DEBUG, *words)
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert epochs(run) == done_by_then
    assert provenance(run)["interrupted"] == f"after {where}"
    assert "finished" not in provenance(run)
    done = verb("train", "resume=run", "trainer.max_time=00:00:01:00")
    assert done.code == 0, done.err
    assert provenance(run)["finished"]
    assert "interrupted" not in provenance(run)
    for name in ("summary.json", "per_image.csv", "metrics.csv"):
        assert (run / name).read_bytes() == (finished_run / name).read_bytes()


def test_a_run_whose_time_is_over_before_its_first_step_does_not_ask_for_its_checkpoint(verb):
    done = verb("train", *DEBUG, "trainer.max_time={milliseconds:1}", "hydra.run.dir=run")
    assert "last.ckpt cannot be read" not in done.err
    done = verb("train", "resume=run", "trainer.max_time=00:00:01:00")
    assert done.code == 0, done.err


# --- what is refused leaves the run as it was


@pytest.mark.parametrize("words", ["data.root=/nowhere", "trainer.max_epochs=3 data.root=/nowhere"])
def test_a_refusal_while_the_data_is_read_leaves_a_finished_run_finished(words, run, verb):
    if "max_epochs" not in words:  # else there is nothing to go on for
        unfinish(run)
    before = {name: content for name, content in files(run).items() if not name.endswith(".log")}
    done = verb("train", "resume=run", *words.split())
    assert done.code == 1
    assert "data.root=/nowhere does not exist" in done.err
    after = {name: content for name, content in files(run).items() if not name.endswith(".log")}
    assert after == before


@pytest.mark.parametrize(
    ("words", "ended"),
    [
        (
            "callbacks=early_stopping callbacks.early_stopping.monitor=val/mae "
            "callbacks.early_stopping.patience=1 callbacks.early_stopping.min_delta=9",
            "a callback",
        ),
        ("trainer.max_steps=8", "trainer.max_steps"),
    ],
)
def test_more_epochs_are_refused_where_something_else_has_ended_the_run(words, ended, verb):
    words = [f"+{w}" if "min_delta" in w else w for w in words.split()]
    assert verb("train", *DEBUG[:1], *words, "trainer.max_epochs=9", "hydra.run.dir=run").code == 0
    done = verb("train", "resume=run", "trainer.max_epochs=20")
    assert done.code == 1
    assert f"was ended by {ended} in epoch 2" in done.err
    assert done.err.count("\n") == 1


def test_pictures_change_no_result(run, verb):
    done = verb("train", "resume=run", "trainer.max_epochs=3", "callbacks.pictures.n_images=2")
    assert done.code == 0, done.err
    assert RunFolder(run).config.callbacks.parts["pictures"].model_extra["n_images"] == 2


# --- an end before the first step


def test_a_time_that_is_over_before_the_first_step_is_named(verb):
    done = verb("train", *DEBUG, "trainer.max_time={microseconds:1}", "hydra.run.dir=run")
    assert done.code == 1
    sentence = "trainer.max_time={microseconds:1} was over before the first step: give more time."
    assert done.err.strip().endswith(sentence)
    assert "the scores are of what was learnt" not in done.err


def test_ctrl_c_before_the_first_step_has_nothing_to_score(verb, monkeypatch, tmp_path):
    begin = SaveProgress.on_train_start

    def pressed(self, trainer, pl_module) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        begin(self, trainer, pl_module)

    with monkeypatch.context() as patched:
        patched.setattr(SaveProgress, "on_train_start", pressed)
        done = verb("train", *DEBUG, "hydra.run.dir=run")
    assert done.code == 130
    assert done.err.strip().endswith("stopped by SIGINT")
    assert not (tmp_path / "run" / "summary.json").exists()
    done = verb("train", "resume=run")
    assert done.code == 0, done.err
    assert [f"epoch {n}:" in done.err for n in (1, 2)] == [True, True]
