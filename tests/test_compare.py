"""``covseg.compare``: paired differences from run folders, and refusals of what is not the same."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from conftest import run_command
from covseg.measure.comparison import ComparedRun, Comparison, Group
from covseg.measure.intervals import central, intervals, resampled
from covseg.measure.records import Records
from covseg.measure.scores import SCORES, rmse_of_each
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.compared_images import differing_images
from html_page import Page

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, phantom_cache: Path) -> Path:
    """Two widths with two seeds each."""
    home = tmp_path_factory.mktemp("sweep")
    words = ("train", "-m", "experiment=debug", "model.base_channels=4,6", "seed=0,1")
    words += ("callbacks=none", "hydra.sweep.dir=sweep")
    done = run_command(*words, cwd=home, cache=phantom_cache)
    assert done.code == 0, done.err
    return home / "sweep"


def rows(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    with path.open(newline="") as file:
        return {(row["run"], row["score"]): row for row in csv.DictReader(file)}


def test_two_runs_are_compared_image_by_image(verb, sweep, tmp_path):
    done = verb("compare", f"runs=[{sweep}/0,{sweep}/2]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    found = rows(tmp_path / "made" / "compare.csv")
    one, two = (Records.read(sweep / job / "per_image.csv") for job in "02")
    for job, records in (("0", one), ("2", two)):
        summary = json.loads((sweep / job / "summary.json").read_text())["scores"]
        bounds = intervals(SCORES, records.counts(), records.patient_class)
        for score, entry in summary.items():
            row = found[job, score]
            assert (float(row["value"]) if row["value"] else None) == entry["value"]
            expected = bounds[score] or (None, None)
            assert tuple(float(row[b]) if row[b] else None for b in ("low", "high")) == expected
    by_hand = np.mean(rmse_of_each(two.counts()) - rmse_of_each(one.counts()))
    row = found["2", "rmse_per_image"]
    assert float(row["difference"]) == pytest.approx(by_hand)
    assert float(row["difference_low"]) <= by_hand <= float(row["difference_high"])
    assert "model.base_channels" in done.out
    assert "trainer.max_epochs" not in done.out
    assert "Whether other seeds would reverse it is not known" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines()[:-1])) <= 80


def test_the_page_has_every_score_the_curves_and_the_images_that_differ_most(verb, sweep, tmp_path):
    assert verb("compare", f"runs=[{sweep}]", "hydra.run.dir=made").code == 0
    page = Page(tmp_path / "made" / "compare.html")
    for tag, address in page.addresses:
        assert tag == "a" or address.startswith(("data:", "#"))
    for (run, score), row in rows(tmp_path / "made" / "compare.csv").items():
        assert SCORES[score].meaning in page.text
        if row["difference"]:
            assert f"{float(row['difference']):+.4f}" in page.text, (run, score)
        elif row["sd_over_seeds"]:
            assert f"{float(row['value']):.4f} ± {float(row['sd_over_seeds']):.4f}" in page.text
    assert "rmse_per_image on Val over the epochs" in page.html
    assert sum(tag == "img" for tag, _ in page.addresses) > 1
    assert "base_channels 4" in page.text
    parameters = json.loads((sweep / "0" / "provenance.json").read_text())["parameters"]
    assert f"{parameters:,}" in page.text


def test_pictures_show_what_the_records_say(sweep, tmp_path):
    """The probability that is drawn has the error of the row of ``per_image.csv``."""
    folders = {job: RunFolder(sweep / job) for job in "02"}
    records = [Records.read(folder.per_image) for folder in folders.values()]
    runs = [
        Group([ComparedRun(job, {"a": job}, of.counts(), {}, None, None)])
        for job, of in zip(folders, records, strict=True)
    ]
    classes = records[0].patient_class
    comparison = Comparison("infection", "Val", runs, records[0].keys, classes, None)
    drawn = differing_images([comparison], folders)["infection"]
    errors = [rmse_of_each(of.counts()) for of in records]
    better, worse = (0, 1) if errors[0].mean() < errors[1].mean() else (1, 0)
    gains = errors[worse] - errors[better]
    names = [records[0].keys[place] for place in np.argsort(-gains, kind="stable")]
    assert drawn.images[0].key == names[0]
    for image in drawn.images:
        place = records[0].keys.index(image.key)
        assert f"RMSE {errors[better][place]:.3f}" in image.numbers[0]
        assert f"RMSE {errors[worse][place]:.3f}" in image.numbers[1]


def test_without_the_images_there_is_a_page_without_pictures(verb, sweep, tmp_path):
    for job in "02":
        shutil.copytree(sweep / job, tmp_path / job)
        path = tmp_path / job / "config.yaml"
        text = path.read_text().replace("name: phantom", "name: covid_qu_ex")
        path.write_text(text.replace("root: null", "root: nowhere.zip"))
    done = verb("compare", "runs=[0,2]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    assert "compare.html has no pictures: " in done.err
    page = Page(tmp_path / "made" / "compare.html")
    assert "No pictures: the images or the networks" in page.text
    assert "<img" not in page.html


def test_the_reference_is_the_one_that_is_named(verb, sweep, tmp_path):
    words = (f"runs=[{sweep}/0,{sweep}/2]", f"reference={sweep}/2", "hydra.run.dir=made")
    assert verb("compare", *words).code == 0
    found = rows(tmp_path / "made" / "compare.csv")
    assert found["2", "mae"]["difference"] == ""
    assert found["0", "mae"]["difference"] != ""


def test_seeds_of_a_sweep_are_one_row(verb, sweep, tmp_path):
    done = verb("compare", f"runs=[{sweep}]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    found = rows(tmp_path / "made" / "compare.csv")
    assert {run for run, _ in found} == {"0 (2 seeds)", "2 (2 seeds)"}
    values = [
        json.loads((sweep / job / "summary.json").read_text())["scores"]["mae"]["value"]
        for job in "01"
    ]
    row = found["0 (2 seeds)", "mae"]
    assert float(row["value"]) == pytest.approx(np.mean(values))
    assert float(row["sd_over_seeds"]) == pytest.approx(np.std(values, ddof=1))
    each = [Records.read(sweep / job / "per_image.csv") for job in "01"]
    drawn = [resampled(SCORES, of.counts(), of.patient_class) for of in each]
    low, high = central(np.mean(drawn, axis=0)[list(SCORES).index("mae")])
    assert (float(row["low"]), float(row["high"])) == (low, high)
    assert "Over seeds: " in " ".join(done.out.split())


def test_an_evaluation_is_compared_by_the_settings_of_its_run(verb, sweep, tmp_path):
    words = (f"run={sweep}/0", "split=Val", "threshold=0.3", "hydra.run.dir=again")
    assert verb("evaluate", *words).code == 0
    done = verb("compare", f"runs=[{sweep}/0,again]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    assert "evaluate." in done.out
    found = rows(tmp_path / "made" / "compare.csv")
    assert float(found["again", "rmse_per_image"]["difference"]) == pytest.approx(0, abs=1e-7)


def test_what_an_evaluation_changes_tells_it_apart_and_a_repeat_is_no_other_seed(
    verb, sweep, tmp_path
):
    for name, word in (("zero", "threshold=0"), ("large", "detection_min_pixels=50"), ("same", "")):
        words = (f"run={sweep}/0", "split=Val", f"hydra.run.dir={name}", *filter(None, [word]))
        assert verb("evaluate", *words).code == 0
    done = verb("compare", f"runs=[{sweep}/0,zero,large,same]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    found = rows(tmp_path / "made" / "compare.csv")
    assert {run for run, _ in found} == {"0", "zero", "large", "same"}
    assert not any(row["sd_over_seeds"] for row in found.values())
    assert float(found["same", "rmse_per_image"]["difference"]) == pytest.approx(0, abs=1e-7)
    page = Page(tmp_path / "made" / "compare.html")
    parameters = json.loads((sweep / "0" / "provenance.json").read_text())["parameters"]
    assert page.text.count(f"{parameters:,}") == 4  # of the run that was evaluated


def test_few_images_are_no_claim(verb, sweep):
    done = verb("compare", f"runs=[{sweep}/0,{sweep}/2]")
    said = " ".join(done.out.split())
    assert "No claim: the score is of 8 images, and with fewer than 100" in said


def test_seeds_that_overlap_may_explain_a_difference(verb, sweep):
    done = verb("compare", f"runs=[{sweep}/0,{sweep}/1,{sweep}/2]")
    said = " ".join(done.out.split())
    assert "Over seeds: " in said
    assert "Whether other seeds" not in said


def test_what_cannot_be_compared_is_one_sentence(verb, sweep, tmp_path):
    shutil.copytree(sweep / "0", tmp_path / "other")
    path = tmp_path / "other" / "per_image.csv"
    first = Records.read(path)
    path.write_text(path.read_text().replace(str(first.name[0]), "covid_999.png"))
    shutil.copytree(sweep / "2", tmp_path / "cut")
    with (tmp_path / "cut" / "metrics.csv").open("a") as file:
        file.write("\n3,1\n")
    said = {
        (f"runs=[{sweep}/0,other]",): "was scored on other images or masks than",
        (f"runs=[{sweep}/0]",): "is one run: name two or more",
        (f"runs=[{sweep}/0,nowhere]",): "nowhere does not exist",
        (f"runs=[{sweep}/0,{sweep}/0]",): "twice: name it once",
        (f"runs=[{sweep}/0,cut]",): "metrics.csv has rows of different lengths",
        (f"runs=[{sweep}/0,{sweep}/2]", "reference=other"): "is none of the runs",
    }
    for words, sentence in said.items():
        done = verb("compare", *words)
        assert done.code == 1
        assert done.err.count("\n") == 1
        assert sentence in done.err


def test_many_settings_are_a_paragraph_for_each_run(verb, sweep, tmp_path):
    """A column for each would leave two letters a line."""
    for name in "ab":
        shutil.copytree(sweep / "0", tmp_path / name)
    config = tmp_path / "b" / "config.yaml"
    values = yaml.safe_load(config.read_text())
    values["optimizer"] |= {"lr": 0.5, "weight_decay": 0.25, "betas": [0.5, 0.9]}
    values["data"]["batch_size"] = 8
    values["protocol"]["flips"] = True
    values["callbacks"]["ema"] = {"_target_": "covseg.learn.averaging.EMA", "decay": 0.9}
    config.write_text(yaml.safe_dump(values))
    done = verb("compare", "runs=[a,b]", "hydra.run.dir=made")
    assert done.code == 0, done.err
    [*above, own] = done.out.split("rmse_per_image, lower")[0].split("\nb: ")
    words = own.replace(";", "").split()
    for word in ("optimizer.lr=0.5", "data.batch_size=8", "protocol.flips=True"):
        assert word in words
    assert "callbacks.ema.decay=0.9" in words  # changes the result, unlike pictures
    assert "callbacks.ema.decay=–" in above[0]
    assert max(map(len, done.out.splitlines()[:-1])) <= 80


def test_the_runs_of_the_documents_have_the_numbers_that_stand_there(verb):
    runs = Path(__file__).parents[1] / "docs" / "runs"
    row = r"^\| `(\w+)` \| .* \| ([\d.]+) \| ([\d.]+) \|$"
    shown = re.findall(row, (runs / "README.md").read_text(), re.M)
    assert {name for name, *_ in shown} == {path.name for path in runs.iterdir() if path.is_dir()}
    for name, dice, rmse in shown:
        counts = Records.read(runs / name / "per_image.csv").counts()
        assert f"{SCORES['dice_positive'](counts):.3f}" == dice
        assert f"{SCORES['rmse_per_image'](counts):.4f}" == rmse
    done = verb("compare", f"runs=[{runs / 'paper_seed0'},{runs / 'main_seed0'}]")
    assert done.code == 0, done.err
    assert "the same 1,166 images" in done.out
