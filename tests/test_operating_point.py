"""From probabilities to what is reported: thresholds chosen on Val, flips, several networks."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch.nn import functional as F

import covseg
from covseg import build
from covseg.measure.thresholds import read_thresholds
from covseg.run.folder.run_folder import RunFolder
from html_page import Page

pytestmark = pytest.mark.long

WORDS = (
    *("experiment=debug", "trainer.max_epochs=6", "optimizer.lr=0.05", "callbacks=none"),
    *("data.phantom.n_images={Train:24,Val:12,Test:12}", "logger=none"),
)
AUTO = ("protocol.threshold=auto", "protocol.detection_min_pixels=auto")


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def chosen(make_run: Callable[..., Path]) -> Path:
    """A run whose threshold and number of pixels Val has chosen."""
    return make_run(*WORDS, *AUTO)


def test_val_chooses_and_the_summary_says_so(chosen):
    found = summary(chosen)
    best = read_thresholds(chosen / "thresholds.csv")["Val", "infection"].best
    assert found["threshold"] == best[0]
    assert found["chosen_on"] == "Val"
    assert found["threshold"] != 0.5  # else nothing here tells a choice from the default


def test_the_records_are_those_of_a_run_with_that_threshold_from_the_start(chosen, verb, tmp_path):
    found = summary(chosen)
    words = (f"protocol.threshold={found['threshold']}", "hydra.run.dir=fixed")
    words += (f"protocol.detection_min_pixels={found['detection_min_pixels']}",)
    assert verb("train", *WORDS, *words).code == 0
    assert (tmp_path / "fixed/per_image.csv").read_bytes() == (
        chosen / "per_image.csv"
    ).read_bytes()
    del found["chosen_on"]
    assert summary(tmp_path / "fixed") == found


def test_evaluate_predict_and_python_use_what_was_chosen(chosen, verb, tmp_path):
    done = verb("evaluate", f"run={chosen}", "hydra.run.dir=e")
    assert "were reproduced; largest difference 0" in done.err
    assert yaml.safe_load((tmp_path / "e/config.yaml").read_text())["threshold"] is None
    assert covseg.load(chosen).threshold == summary(chosen)["threshold"]
    assert covseg.load(chosen).detection_min_pixels == summary(chosen)["detection_min_pixels"]


def test_the_page_says_where_the_threshold_was_chosen(chosen):
    threshold = summary(chosen)["threshold"]
    assert f"The threshold {threshold:g} was chosen on Val." in Page(chosen / "report.html").text


def test_another_threshold_may_be_asked_for_and_chosen_again(chosen, verb, tmp_path):
    assert verb("evaluate", f"run={chosen}", "threshold=0.9", "hydra.run.dir=e").code == 0
    assert summary(tmp_path / "e")["threshold"] == 0.9
    words = (f"run={tmp_path / 'fixed'}", "threshold=auto", "split=Test", "hydra.run.dir=again")
    assert verb("train", *WORDS, "hydra.run.dir=fixed").code == 0
    assert verb("evaluate", *words).code == 0
    assert summary(tmp_path / "again")["threshold"] == summary(chosen)["threshold"]


def test_before_it_is_scored_nothing_is_chosen(chosen, verb, tmp_path):
    run = tmp_path / "unscored"
    run.mkdir()
    (run / "config.yaml").write_bytes((chosen / "config.yaml").read_bytes())
    done = verb("evaluate", f"run={run}")
    assert done.code == 1
    assert "does not say what was chosen on Val (protocol.threshold=auto)" in done.err
    assert done.err.count("\n") == 1
    for name in ("checkpoints", "baselines.npz", "provenance.json"):
        (run / name).symlink_to(chosen / name)
    done = verb("evaluate", f"run={run}", "threshold=0.5", "detection_min_pixels=1")
    assert done.code == 0, done.err


def test_precision_auto_is_about_training(finished_run, verb):
    done = verb("evaluate", f"run={finished_run}", "trainer.precision=auto", "hydra.run.dir=e")
    assert done.code == 0, done.err
    assert "were reproduced; largest difference 0" in done.err


def test_where_nothing_selects_nothing_can_be_chosen(verb):
    done = verb("train", "experiment=debug", "protocol=paper", "protocol.threshold=auto")
    assert done.code == 1
    assert "protocol.threshold=auto needs a split to choose on" in done.err
    words = ("experiment=debug", "protocol=paper", "trainer.max_epochs=1", "hydra.run.dir=paper")
    assert verb("train", *words).code == 0
    done = verb("evaluate", "run=paper", "threshold=auto")
    assert done.code == 1
    assert done.err.startswith("threshold=auto needs a split to choose on, and ")
    assert done.err.endswith("paper has none: set a number.\n")


def squared_errors(run: Path, network: Callable) -> dict[str, float]:
    """Of each Test image by its name, with another implementation of the probability."""
    config = RunFolder(run).config
    data = build.datamodule(config.data, config.protocol, report="Test")
    data.setup()
    errors = {}
    for sample in data.fixed_samples(data.rows("Test")):
        truth = sample.mask.double()[None]
        with torch.inference_mode():
            probability = F.interpolate(
                network(sample.image[None]), truth.shape[-2:], mode="bilinear"
            )
        name = data.index.rows[int(sample.row)].name
        errors[name] = float((probability.double() - truth).square().sum())
    return errors


def recorded(folder: Path) -> dict[str, float]:
    rows = csv.DictReader((folder / "per_image.csv").open())
    return {row["name"]: float(row["squared_error"]) for row in rows}


def test_flips_average_the_probabilities_of_both_directions(chosen, verb, tmp_path):
    words = (f"run={chosen}", "flips=true", "hydra.run.dir=flipped")
    assert verb("evaluate", *words).code == 0
    one = covseg.load(chosen).network
    by_hand = squared_errors(chosen, lambda x: (one(x) + one(x.flip(-1)).flip(-1)) / 2)
    assert recorded(tmp_path / "flipped") == pytest.approx(by_hand, rel=1e-4)
    assert recorded(tmp_path / "flipped") != pytest.approx(recorded(chosen), rel=1e-4)


def test_flips_reach_predict_and_export(verb, tmp_path):
    words = (*WORDS, "protocol.flips=true", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert verb("train", *words).code == 0
    network = covseg.load(tmp_path / "run").network
    image = torch.randint(0, 256, (1, 1, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(network(image), network(image.flip(-1)).flip(-1))
    assert verb("export", "run=run", "hydra.run.dir=e", "format=torch_export").code == 0
    exported = torch.export.load(tmp_path / "e/model.pt2").module()
    torch.testing.assert_close(exported(image), network(image), atol=1e-5, rtol=0)


# --- several networks


@pytest.fixture(scope="module")
def seeds(make_run: Callable[..., Path]) -> list[Path]:
    return [make_run(*WORDS, "trainer.max_epochs=2", f"seed={seed}") for seed in (0, 1)]


def test_several_runs_are_scored_as_the_mean_of_their_probabilities(seeds, verb, tmp_path):
    done = verb("evaluate", f"run=[{seeds[0]},{seeds[1]}]", "hydra.run.dir=both")
    assert done.code == 0, done.err
    one, other = (covseg.load(run).network for run in seeds)
    by_hand = squared_errors(seeds[0], lambda x: (one(x) + other(x)) / 2)
    assert recorded(tmp_path / "both") == pytest.approx(by_hand, rel=1e-4)
    provenance = json.loads((tmp_path / "both/provenance.json").read_text())
    assert provenance["others"] == [str(seeds[1] / "checkpoints/best.ckpt")]
    done = verb("compare", f"runs=[{seeds[0]},both]", "hydra.run.dir=c")
    assert done.code == 0, done.err
    assert "is of several networks" in done.err  # no pictures, but all numbers


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data.image_size=64",), "has data.image_size=64, and"),
        (("data.targets=[infection,lung]",), "has data.targets=[infection,lung], and"),
        (("data.phantom.seed=5",), "was fitted on other data than"),
    ],
)
def test_runs_that_answer_another_question_are_not_averaged(words, sentence, seeds, verb):
    other = (*WORDS, "trainer.max_epochs=1", *words, "hydra.run.dir=other")
    assert verb("train", *other).code == 0
    done = verb("evaluate", f"run=[{seeds[0]},other]")
    assert done.code == 1
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_a_run_is_not_averaged_with_itself(seeds, verb):
    done = verb("evaluate", f"run=[{seeds[0]},{seeds[0]}]")
    assert "names a run twice" in done.err


def test_no_threshold_is_chosen_on_images_that_a_network_was_fitted_on(seeds, verb):
    words = (*WORDS, "protocol=paper", "trainer.max_epochs=1", "hydra.run.dir=paper")
    assert verb("train", *words).code == 0
    done = verb("evaluate", f"run=[{seeds[0]},paper]", "threshold=auto")
    assert done.code == 1
    assert "threshold=auto would be chosen on 12 images of Val that were fitted on" in done.err
    assert verb("evaluate", f"run=[{seeds[0]},paper]", "hydra.run.dir=fixed").code == 0
