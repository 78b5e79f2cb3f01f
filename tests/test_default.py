"""The network that covseg ships: it is what its own summary says, and can be used like any run."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import covseg
from configurations import composed
from covseg.config.conf import flatten
from covseg.config.train import Train
from covseg.data.fitted import Fitted
from covseg.data.image import decode, decode_mask
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.resize import resize_image
from covseg.learn.checkpoint import read_checkpoint
from covseg.measure.counts import FIELDS, count
from covseg.measure.thresholds import read_thresholds
from covseg.run.folder.older import updated
from covseg.run.folder.run_folder import RunFolder
from covseg.validation import check
from listings import listed

SHIPPED = Path(covseg.__file__).parent / "default"


@pytest.fixture(scope="module")
def run() -> RunFolder:
    return RunFolder(SHIPPED)


# where it was trained, what is only for the reader, and the threshold that Val chose
OTHERWISE = ("data.cache_dir", "data.root", "logger", "callbacks.pictures", "trainer.precision")
OTHERWISE += ("protocol.threshold", "protocol.report", "trainer.check_val_every_n_epoch")


def test_it_is_the_recipe(run):
    own = flatten(run.config.model_dump(by_alias=True))
    recipe = check(Train, composed("train", ["experiment=best"])).model_dump(by_alias=True)
    recipe = flatten(recipe)
    for key in own.keys() | recipe.keys():
        if not key.startswith(OTHERWISE):
            assert own.get(key) == recipe.get(key), key
    assert run.config.data.root is None  # no place of the machine that trained it
    stored = read_checkpoint(run.best)["hyper_parameters"]
    assert check(Train, updated(stored)) == run.config


def test_val_chooses_its_threshold(run):
    val = read_thresholds(run.thresholds)["Val", "infection"]
    assert val.best[0] == run.config.protocol.threshold


def test_nothing_of_test_or_val_was_fitted_on(run):
    images = Fitted.read(run.fitted).images
    assert {split for split, *_ in images} == {"Train"}
    assert len(images) == 3728


def test_its_scores_follow_from_its_table(run):
    rows = list(csv.DictReader(run.per_image.open()))
    infection = [row for row in rows if row["target"] == "infection"]
    assert len(infection) == 1166
    positive = [row for row in infection if int(row["truth_pixels"])]
    tp, fp, fn = (np.array([int(row[n]) for row in positive]) for n in ("tp", "fp", "fn"))
    scores = json.loads(run.summary.read_text())["targets"]["infection"]["scores"]
    assert scores["dice_positive"]["value"] == pytest.approx(np.mean(2 * tp / (2 * tp + fp + fn)))
    assert scores["dice_positive"]["low"] > 0.761  # the best published seed


def test_it_predicts_from_python_and_on_the_command_line(verb, tmp_path):
    model = covseg.load("default")
    image = np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8)
    assert model.predict(image).shape == (2, 90, 70)
    done = verb("evaluate", "run=default", "data=phantom", "hydra.run.dir=e",
                "data.phantom.n_images={Train:8,Val:4,Test:4}")  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "e/summary.json").read_text())["threshold"] == model.threshold


@pytest.mark.real
def test_real_images_have_the_counts_of_its_table(run, real_archive):
    """Every hundredth image of Test; ``evaluate run=default`` takes minutes for all of them."""
    source = locate(real_archive)
    index = listed(source, ["infection", "lung"]).index
    chosen = [row for row in index.rows if row.split == "Test"][::100]
    rows = {
        (row["patient_class"], row["name"], row["target"]): row
        for row in csv.DictReader(run.per_image.open())
    }
    model = covseg.load("default")
    for row in chosen:
        image = decode(source.read(row.image), row.image)
        masks = [decode_mask(source.read(path), path) for _, path in list(row.files)[1:]]
        truth = torch.from_numpy(np.stack(masks))[None]
        small = torch.from_numpy(resize_image(image, (model.image_size, model.image_size)))[
            None, None
        ]
        with torch.inference_mode():
            counts = count(model.network(small), truth, model.threshold)[0]
        for target, values in zip(model.targets, counts.tolist(), strict=True):
            recorded = rows[row.patient_class, row.name, target]
            for field, value in zip(FIELDS, values, strict=True):
                close = 3 if field in {"tp", "fp", "fn"} else 1e-3 * value + 1e-6
                assert abs(float(recorded[field]) - value) <= close, (row.name, field)


def test_the_readme_has_its_numbers(run):
    of = json.loads(run.summary.read_text())["targets"]["infection"]
    readme = Path(__file__).parents[1].joinpath("README.md").read_text()
    row = r"^\| `(\w+)` \| (0[\d.]+) \| ([\d.]+) to ([\d.]+) \| ([\d.]+) \|"
    shown = re.findall(row, readme, re.M)
    assert len(shown) == 7
    for name, *numbers in shown:
        entry, rest = of["scores"][name], of["without_leaks"]["scores"][name]["value"]
        expected = (entry["value"], entry["low"], entry["high"], rest)
        assert numbers == [f"{value:.3f}" for value in expected], name
