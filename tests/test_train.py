"""``covseg.train`` as a user runs it: the run folder, its numbers, and what interrupts it."""

import csv
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from covseg.config.train import Train
from covseg.learn.losses import BCE
from covseg.validation import check

pytestmark = pytest.mark.long

ALWAYS = {
    *("config.yaml", "provenance.json", "checkpoints", "metrics.csv", "per_image.csv"),
    *("histogram.csv", "thresholds.csv", "report.html"),
    *("summary.json", "train.log", "pictures", "baselines.npz", "fitted.csv"),
    "typical.npz",
}


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def test_the_run_folder_holds_what_it_should(finished_run: Path) -> None:
    assert {path.name for path in finished_run.iterdir()} == ALWAYS
    assert {p.name for p in (finished_run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    pictures = {path.name for path in (finished_run / "pictures").iterdir()}
    assert {"epoch_001.png", "epoch_002.png", "best.png", "median.png", "worst.png"} <= pictures
    # nothing is predicted in either, but the probability is another one
    first, second = (finished_run / "pictures" / f"epoch_00{n}.png" for n in (1, 2))
    assert first.read_bytes() != second.read_bytes()


def test_the_configuration_in_it_is_resolved_and_checked(finished_run: Path) -> None:
    text = (finished_run / "config.yaml").read_text()
    assert "${" not in text
    config = check(Train, yaml.safe_load(text))
    assert config.protocol.report == "Test"


def test_provenance_says_where_the_numbers_come_from(finished_run: Path) -> None:
    found = json.loads((finished_run / "provenance.json").read_text())
    assert found["command"].endswith("covseg.train experiment=debug hydra.run.dir=run")
    assert {"git", "versions", "hardware", "data", "seed", "seconds", "checkpoint"} <= found.keys()
    assert len(found["data"]["fingerprint"]) == 64


def test_the_objective_is_the_rmse_on_val_of_the_chosen_checkpoint(
    finished_run: Path, verb: Callable, tmp_path: Path
) -> None:
    objective = summary(finished_run)["objective"]
    assert objective["name"] == "rmse_per_image"
    assert verb("evaluate", f"run={finished_run}", "split=Val", "hydra.run.dir=val").code == 0
    on_val = summary(tmp_path / "val")
    assert on_val["split"] == "Val"
    assert on_val["scores"]["rmse_per_image"]["value"] == objective["value"]
    epochs = list(csv.DictReader((finished_run / "metrics.csv").open()))
    best = min(float(row["val/rmse_per_image"]) for row in epochs)
    assert best == pytest.approx(objective["value"], abs=1e-7)


@pytest.mark.parametrize(("monitor", "best_of"), [("recall_pooled", max), ("mae", min)])
def test_any_score_on_val_chooses_the_checkpoint(monitor, best_of, verb, tmp_path):
    """Recall falls while all else is learned: its best epoch is the first."""
    words = ("experiment=debug", "callbacks=none", "trainer.max_epochs=6", "optimizer.lr=0.02")
    words += ("protocol.threshold=0.2",)
    assert verb("train", *words, f"protocol.monitor={monitor}", "hydra.run.dir=run").code == 0
    epochs = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    values = [float(row[f"val/{monitor}"]) for row in epochs]
    assert len(set(values)) > 1
    best = best_of(values)
    chosen = values.index(best) + 1  # the first of equal ones
    assert verb("evaluate", "run=run", "split=Val", "hydra.run.dir=val").code == 0
    on_val = summary(tmp_path / "val")["scores"]
    assert on_val[monitor]["value"] == pytest.approx(best, abs=1e-7)
    objective = summary(tmp_path / "run")["objective"]["value"]
    rmse = float(epochs[chosen - 1]["val/rmse_per_image"])
    assert objective == pytest.approx(rmse, abs=1e-6)
    assert f"epoch; {chosen} is reported" in (tmp_path / "run" / "report.html").read_text()
    log = (tmp_path / "run" / "train.log").read_text()
    assert f"{monitor} {best:.4f} (best)" in log


def test_checkpoints_hold_plain_values_alone(finished_run: Path) -> None:
    for path in (finished_run / "checkpoints").iterdir():
        loaded = torch.load(path, weights_only=True)
        assert not any("_orig_mod" in name for name in loaded["state_dict"])


def test_the_same_seed_gives_the_same_numbers_again(
    finished_run: Path, verb: Callable, tmp_path: Path
) -> None:
    assert verb("train", "experiment=debug", "hydra.run.dir=again").code == 0
    again = tmp_path / "again"
    assert (again / "per_image.csv").read_bytes() == (finished_run / "per_image.csv").read_bytes()
    assert summary(again) == summary(finished_run)
    words = ["experiment=debug", "data.num_workers=2", "hydra.run.dir=workers"]
    assert verb("train", *words).code == 0
    assert summary(tmp_path / "workers") == summary(finished_run)
    assert verb("train", "experiment=debug", "seed=1", "hydra.run.dir=other").code == 0
    other = tmp_path / "other" / "per_image.csv"
    assert other.read_bytes() != (finished_run / "per_image.csv").read_bytes()


def test_the_table_fits_80_columns_and_ends_with_the_run_folder(
    verb: Callable, tmp_path: Path
) -> None:
    done = verb("train", "experiment=debug", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert done.code == 0, done.err
    lines = done.out.rstrip().splitlines()
    assert all(len(line) <= 80 for line in lines[:-1])
    assert "…" not in done.out
    assert lines[-1] == f"run folder: {tmp_path / 'run'}"
    assert "\x1b" not in done.out + done.err  # no control characters where nobody looks


def test_under_paper_there_is_no_objective_and_nothing_is_chosen(
    verb: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", "protocol=paper", "trainer.max_epochs=1", "hydra.run.dir=run"]
    assert verb("train", *words).code == 0
    run = tmp_path / "run"
    assert summary(run)["objective"] is None
    assert summary(run)["split"] == "Test"
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"last.ckpt"}
    refused = verb("evaluate", f"run={run}", "checkpoint=best")
    assert refused.code == 1
    assert "protocol.checkpoint=best" in refused.err


def test_a_multirun_reports_val_a_job_a_folder(verb: Callable, tmp_path: Path) -> None:
    words = ["experiment=debug", "trainer.max_epochs=1", "model.depth=1,2", "hydra.sweep.dir=sweep"]
    done = verb("train", "-m", *words)
    assert done.code == 0, done.err
    for job, depth in enumerate((1, 2)):
        run = tmp_path / "sweep" / str(job)
        assert summary(run)["split"] == "Val"
        assert yaml.safe_load((run / "config.yaml").read_text())["model"]["depth"] == depth


@pytest.mark.parametrize(
    "override", ["trainer.fast_dev_run=true", "trainer.overfit_batches=2", "loss=bce_dice"]
)
def test_variants_leave_a_valid_run_folder(override: str, verb: Callable, tmp_path: Path) -> None:
    done = verb("train", "experiment=debug", override, "hydra.run.dir=run")
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == ALWAYS
    assert verb("evaluate", f"run={run}", "hydra.run.dir=evaluated").code == 0
    evaluated = (tmp_path / "evaluated" / "per_image.csv").read_bytes()
    assert evaluated == (run / "per_image.csv").read_bytes()


def test_several_targets_each_have_their_scores(verb: Callable, tmp_path: Path) -> None:
    words = ["experiment=debug", "data.targets=[infection,lung]", "trainer.max_epochs=1"]
    assert verb("train", *words, "hydra.run.dir=run").code == 0
    found = summary(tmp_path / "run")
    assert set(found["targets"]) == {"infection", "lung"}
    assert "lung_mask" in found["targets"]["infection"]["baselines"]
    assert "lung_mask" not in found["targets"]["lung"]["baselines"]
    targets = [row["target"] for row in csv.DictReader((tmp_path / "run/per_image.csv").open())]
    assert targets.count("infection") == targets.count("lung") == 8


def test_the_lung_tree_is_what_the_lung_target_is_trained_on(
    verb: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", "data.targets=[lung]", "data.phantom.lung_tree=true"]
    assert verb("train", *words, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    found = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert found["data"]["tree"] == "lung"


def test_init_starts_from_another_runs_weights(
    finished_run: Path, verb: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", f"init={finished_run}", "optimizer.lr=1e-12", "augment=none"]
    done = verb("train", *words, "model.norm=batch", "hydra.run.dir=run")
    assert done.code == 0, done.err
    before, after = (
        torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]
        for run, name in ((finished_run, "best.ckpt"), (tmp_path / "run", "last.ckpt"))
    )
    assert torch.allclose(before["network.head.weight"], after["network.head.weight"], atol=1e-8)


def test_a_loss_that_turns_nan_says_where_and_keeps_the_last_good_checkpoint(
    verb: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, calls = BCE.forward, []

    def breaks_in_the_second_epoch(
        loss: BCE, logits: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        calls.append(loss)
        return right(loss, logits, mask) * (math.nan if len(calls) == 6 else 1)

    monkeypatch.setattr(BCE, "forward", breaks_in_the_second_epoch)
    words = ["experiment=debug", "protocol=paper", "trainer.max_epochs=3", "hydra.run.dir=run"]
    done = verb("train", *words)
    assert done.code == 1
    *_, sentence = done.err.strip().splitlines()
    assert re.match(
        r"the training loss of epoch 1, batch 6 \(.*\.png\) is nan: lower optimizer.lr", sentence
    )
    assert "FAILED" in (tmp_path / "run" / "train.log").read_text()
    calls.clear()
    done = verb("train", *words[:2], "trainer.max_epochs=3", "data.batch_size=8", "hydra.run.dir=b")
    assert "epoch 2, batch 3" in done.err
    kept = torch.load(tmp_path / "b" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["covseg"]["progress"]["epoch"] == 1
    assert all(torch.isfinite(weight).all() for weight in kept["state_dict"].values())


def test_without_any_score_on_val_there_is_no_best_checkpoint_to_report(
    verb: Callable, tmp_path: Path
) -> None:
    """Early stopping that watches training may end it before the first validation."""
    words = ["experiment=debug", "trainer.max_epochs=9", "trainer.check_val_every_n_epoch=9"]
    words += ["callbacks=early_stopping", "callbacks.early_stopping.monitor=train/loss"]
    words += ["callbacks.early_stopping.patience=1", "+callbacks.early_stopping.min_delta=9"]
    done = verb("train", *words, "hydra.run.dir=run")
    assert done.code == 1
    assert "best.ckpt was never written" in done.err
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["covseg"]["progress"]["epoch"] == 2
    assert verb("evaluate", "run=run", "checkpoint=last", "hydra.run.dir=e").code == 0


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed", "bf16-true"])
def test_other_precisions_train_draw_and_score(
    precision: str, verb: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", f"trainer.precision={precision}", "hydra.run.dir=run"]
    done = verb("train", *words)
    assert done.code == 0, done.err
    assert verb("evaluate", "run=run", "hydra.run.dir=e").code == 0
    again = (tmp_path / "e" / "per_image.csv").read_bytes()
    assert again == (tmp_path / "run" / "per_image.csv").read_bytes()


def test_presets_of_ones_own_are_found(verb: Callable, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "experiment"
    mine.mkdir(parents=True)
    text = "# @package _global_\ndefaults: [debug]\nseed: 7\n"
    (mine / "own.yaml").write_text(text)
    words = ["--config-dir", str(mine.parent), "experiment=own", "hydra.run.dir=run"]
    done = verb("train", *words)
    assert done.code == 0, done.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["seed"] == 7


def test_a_refused_run_leaves_other_peoples_files_alone(verb: Callable, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "slurm-1.out").write_text("mine")
    words = ["experiment=debug", "data.image_size=30", "hydra.run.dir=run"]
    assert verb("train", *words).code == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["slurm-1.out"]


def test_a_learning_rate_that_breaks_the_weights_is_refused_too(verb: Callable) -> None:
    words = ["experiment=debug", "optimizer=sgd", "model.norm=none", "optimizer.lr=900"]
    done = verb("train", *words, "hydra.run.dir=run")
    assert done.code == 1
    assert "optimizer.lr" in done.err
    assert "Traceback" not in done.err


def test_metrics_csv_is_written_whatever_the_loggers(verb: Callable, tmp_path: Path) -> None:
    words = ["experiment=debug", "logger=[tensorboard,wandb]", "hydra.run.dir=run"]
    done = verb("train", *words)
    assert done.code == 0, done.err
    run = tmp_path / "run"
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(math.isfinite(float(row["train/loss"])) for row in rows)
    assert list((run / "tensorboard").glob("events*"))
    assert list((run / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.parametrize("compiler", [True, False])
def test_compiling_is_possible_and_never_needed(
    compiler: bool, verb: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net: compiled.append(net))
    monkeypatch.setattr("shutil.which", lambda name: name if compiler else None)
    words = ["experiment=debug", "compile=true", "trainer.max_epochs=1"]
    done = verb("train", *words, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert bool(compiled) == compiler
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.count("no C++ compiler with") == (0 if compiler else 1)


@pytest.mark.nightly
def test_the_demo_beats_its_baselines(command: Callable, tmp_path: Path) -> None:
    """Takes 90 s; protects what the README's first line promises a newcomer."""
    done = command("train", "experiment=demo", "hydra.run.dir=run")
    assert done.code == 0, done.err
    found = summary(tmp_path / "run")
    nothing = found["baselines"]["predict_nothing"]["scores"]["rmse_per_image"]
    assert found["scores"]["rmse_per_image"]["value"] < 0.75 * nothing
    assert found["scores"]["dice_positive"]["value"] > 0.5


# --- what fails after the scores are written


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("covseg.run.verbs.showing.save", "pictures"),
        ("covseg.run.verbs.showing.write_page", "report.html"),
        ("covseg.run.verbs.showing.print_summary", "the table of the scores"),
        (
            "lightning.pytorch.loggers.TensorBoardLogger.log_metrics",
            "the scores to TensorBoard",
        ),
    ],
)
def test_a_run_whose_scores_are_written_is_finished_whatever_fails_then(
    place, what, verb, monkeypatch, tmp_path
):
    def fail(*arguments: object, **more: object) -> None:
        logged = more.get("metrics") or [*arguments, {}][1]
        if "log_metrics" not in place or "Test/mae" in logged:
            raise OSError(28, "No space left on device")

    words = ("experiment=debug", "callbacks=none", "logger=tensorboard", "hydra.run.dir=run")
    with monkeypatch.context() as patched:
        patched.setattr(place, fail)
        done = verb("train", *words)
    assert done.code == 0, done.err
    assert "No space left on device); the scores are in summary.json" in done.err
    assert f"{what} (" in done.err
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["finished"]
    assert verb("train", "resume=run").err.endswith("is finished: nothing left to do\n")


# --- a start with other outputs


def test_outputs_are_not_exchanged_by_a_start_and_other_targets_are_told(verb):
    words = ("experiment=debug", "callbacks=none", "trainer.max_epochs=1")
    assert verb("train", *words, "data.targets=[infection,lung]", "hydra.run.dir=two").code == 0
    done = verb("train", *words, "data.targets=[lung,infection]", "init=two", "hydra.run.dir=a")
    assert done.code == 1
    assert "data.targets=[lung,infection] is in another order than in init=" in done.err
    assert "set data.targets=[infection,lung]" in done.err
    assert verb("train", *words, "data.targets=[lung]", "hydra.run.dir=lung").code == 0
    done = verb("train", *words, "init=lung", "hydra.run.dir=b")
    assert done.code == 0, done.err
    assert "lung segments lung: its last layer starts here with another meaning" in done.err


def test_a_path_means_what_it_meant_where_it_was_typed(finished_run, verb, tmp_path):
    """Hydra changes into the run folder with ``hydra.job.chdir=true``."""
    shutil.copytree(finished_run, tmp_path / "start")
    words = ("experiment=debug", "callbacks=none", "init=start", "data.cache_dir=cache")
    done = verb("train", *words, "hydra.job.chdir=true", "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert Path.cwd() == tmp_path
    assert list((tmp_path / "cache").glob("store*"))
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["init"] == str(tmp_path / "start")
