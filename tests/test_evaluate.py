"""``covseg.evaluate`` repeats training's own numbers."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import covseg
from covseg.errors import DataError


@pytest.fixture
def copied_run(finished_run: Path, tmp_path: Path) -> Path:
    """A run folder that a test may break."""
    return Path(shutil.copytree(finished_run, tmp_path / "copied"))


def scores(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())["scores"]


def test_it_repeats_the_numbers_of_a_moved_run_exactly(
    copied_run: Path, finished_run: Path, verb: Callable, tmp_path: Path
) -> None:
    done = verb("evaluate", f"run={copied_run}", "hydra.run.dir=again")
    assert done.code == 0, done.err
    again = tmp_path / "again"
    assert (again / "per_image.csv").read_bytes() == (finished_run / "per_image.csv").read_bytes()
    assert scores(again) == scores(finished_run)
    assert {path.name for path in again.iterdir()} == {
        *("config.yaml", "provenance.json", "per_image.csv", "histogram.csv"),
        *("thresholds.csv", "report.html"),
        *("summary.json", "pictures"),
        "evaluate.log",
    }


def test_threshold_and_detection_size_are_those_that_are_asked_for(
    finished_run: Path, verb: Callable, tmp_path: Path
) -> None:
    words = [f"run={finished_run}", "threshold=0.3", "detection_min_pixels=50"]
    assert verb("evaluate", *words, "hydra.run.dir=e").code == 0
    found = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert (found["threshold"], found["detection_min_pixels"]) == (0.3, 50)
    rmse, before = found["scores"]["rmse_per_image"], scores(finished_run)["rmse_per_image"]
    assert rmse["value"] == before["value"]
    predicted = sum(
        int(row["tp"]) + int(row["fp"])
        for row in csv.DictReader((tmp_path / "e" / "per_image.csv").open())
    )
    assert predicted > 0


def test_only_the_evaluated_split_is_needed_and_a_missing_class_is_a_warning(
    finished_run: Path, phantom_cache: Path, verb: Callable, tmp_path: Path
) -> None:
    root = yaml.safe_load((finished_run / "provenance.json").read_text())["data"]
    phantom = next(p for p in phantom_cache.glob("phantom-*") if _fits(p, root["counts"]))
    part = tmp_path / "part" / "Test"
    [test] = phantom.rglob("Infection Segmentation Data/Test")
    shutil.copytree(test, part)
    shutil.rmtree(part / "Normal")
    done = verb("evaluate", f"run={finished_run}", f"data.root={part.parent}", "hydra.run.dir=e")
    assert done.code == 0, done.err
    assert "no image of the class Normal" in done.err
    found = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert set(found["by_class"]) == {"COVID-19", "Non-COVID"}


def _fits(phantom: Path, counts: dict) -> bool:
    for split, classes in counts.items():
        images = list(phantom.glob(f"Infection*/Infection*/{split}/*/images/*.png"))
        if len(images) != sum(classes.values()):
            return False
    return True


def test_scores_of_a_split_that_was_fitted_on_are_marked(verb: Callable, tmp_path: Path) -> None:
    words = ["experiment=debug", "protocol=paper", "trainer.max_epochs=1", "hydra.run.dir=run"]
    assert verb("train", *words).code == 0
    done = verb("evaluate", "run=run", "split=Val", "hydra.run.dir=val")
    assert done.code == 0
    assert "Val was fitted on" in done.err


def test_a_run_can_be_used_from_python(finished_run: Path) -> None:
    model = covseg.load(finished_run)
    assert (model.targets, model.threshold) == (["infection"], 0.5)
    image = np.random.default_rng(0).integers(0, 256, (300, 200), np.uint8)
    probability = model.predict(image)
    assert (probability.shape, probability.dtype) == (image.shape, np.float32)
    assert 0 <= probability.min() <= probability.max() <= 1
    assert np.abs(model.predict(image / 255) - probability).max() < 1e-6
    with pytest.raises(DataError, match="has floats from 0 to 255"):
        model.predict(image.astype(float))


def test_prediction_from_python_is_what_evaluate_counts(
    finished_run: Path, phantom_cache: Path
) -> None:
    import cv2

    model = covseg.load(finished_run)
    for row in list(csv.DictReader((finished_run / "per_image.csv").open()))[:3]:
        where = f"*/{row['split']}/{row['patient_class']}/images/{row['name']}"
        candidates = list(phantom_cache.glob(f"phantom-*/Infection Segmentation Data/{where}"))
        sums = []
        for path in candidates:
            probability = model.predict(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
            truth_path = path.parents[1] / "infection masks" / path.name
            truth = cv2.imread(str(truth_path), cv2.IMREAD_GRAYSCALE) > 0
            sums.append(float(np.abs(probability.astype(np.float64) - truth).sum()))
        assert any(abs(s - float(row["absolute_error"])) < 1e-2 for s in sums)


def test_the_objective_is_over_all_of_val_whatever_is_reported(finished_run, verb, tmp_path):
    words = (f"run={finished_run}", "split=Val", "hydra.run.dir=e")
    done = verb("evaluate", *words, "trainer.limit_test_batches=1")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "e" / "summary.json").read_text())
    whole = json.loads((finished_run / "summary.json").read_text())
    assert found["n_images"] == 4
    assert found["objective"] == whole["objective"]
    assert "only 4 of the 8 images of Val are scored" in done.err
    assert "no image of the class" not in done.err


def test_a_run_from_before_fitted_csv_is_evaluated_with_a_warning(finished_run, verb, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "fitted.csv").unlink()
    done = verb("evaluate", f"run={run}", "hydra.run.dir=e")
    assert done.code == 0, done.err
    assert "it is not known what the weights were fitted on before" in done.err
    assert "were reproduced" in done.err


@pytest.mark.parametrize("key", ["max_epochs=7", "gradient_clip_val=1", "limit_train_batches=1"])
def test_what_scoring_does_not_use_is_no_key_of_an_evaluation(key, finished_run, verb):
    done = verb("evaluate", f"run={finished_run}", f"trainer.{key}")
    assert done.code == 1
    assert f"trainer.{key} is not a key of covseg" in done.err
