"""Two and three real processes: every image counted once, one folder, one log, the same scores."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest


def records(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "per_image.csv").open()))


@pytest.mark.parametrize("devices", [2, 3])
def test_evaluation_is_the_same_with_any_number_of_processes(
    devices: int, finished_run: Path, command: Callable, tmp_path: Path
) -> None:
    words = [f"run={finished_run}", f"trainer.devices={devices}", "hydra.run.dir=e"]
    done = command("evaluate", *words)
    assert done.code == 0, done.err
    assert not (tmp_path / "e" / "ranks").exists()
    one, many = records(finished_run), records(tmp_path / "e")
    labels = [(r["split"], r["patient_class"], r["name"], r["target"]) for r in many]
    assert labels == sorted(set(labels))
    assert len(many) == len(one)
    for a, b in zip(one, many, strict=True):
        for field in ("absolute_error", "squared_error"):
            assert float(a[field]) == pytest.approx(float(b[field]), rel=1e-6)
    scores = [
        json.loads((r / "summary.json").read_text())["scores"]
        for r in (finished_run, tmp_path / "e")
    ]
    for name in ("rmse_per_image", "rmse_pooled", "mae"):
        assert scores[0][name]["value"] == pytest.approx(scores[1][name]["value"], abs=1e-6)


def test_training_on_two_processes_is_one_run(command: Callable, tmp_path: Path) -> None:
    done = command("train", "experiment=debug", "trainer.devices=2", "hydra.run.dir=run")
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert len(records(run)) == 8
    assert [path.name for path in run.glob("*.log")] == ["train.log"]
    log = (run / "train.log").read_text()
    assert log.count("epoch 1:") == 1
    assert "2 process(es): 8 a step" in log
    assert not (run / "ranks").exists()
    assert done.out.count("run folder:") == 1
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["hardware"]["processes"] == 2


def test_a_refusal_in_a_process_is_one_sentence_of_the_command(
    command: Callable, tmp_path: Path
) -> None:
    words = ["experiment=debug", "trainer.devices=3", "data.phantom.n_images.Test=2"]
    done = command("train", *words, "hydra.run.dir=run")
    assert done.code == 1
    assert "Traceback" not in done.err
    *_, sentence = done.err.strip().splitlines()
    assert sentence == (
        "trainer.devices=3 is more than the 2 images of Test: say trainer.devices=2 or less."
    )
    assert not (tmp_path / "run").exists()


def test_a_crash_in_a_process_is_named_and_its_log_kept(command: Callable, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import torch.nn\n"
        "    def broken(*_, **__):\n"
        "        raise ValueError('the second process broke')\n"
        "    torch.nn.Conv2d.forward = broken\n"
    )
    done = command(
        *("train", "experiment=debug", "trainer.devices=2", "hydra.run.dir=run"),
        PYTHONPATH=str(tmp_path),
    )
    assert done.code == 1
    *_, sentence = done.err.strip().splitlines()
    assert "the second process broke" in sentence
    assert (tmp_path / "run" / "ranks").is_dir()
