"""Scores over the threshold against a new count at each, and the threshold that Val chooses."""

import csv
import dataclasses

import pytest
import torch

from covseg.errors import RunError
from covseg.measure.counts import Counts, count
from covseg.measure.image_histograms import ImageHistograms, ProbabilityHistograms
from covseg.measure.scores import SCORES
from covseg.measure.thresholds import OverThresholds, read_thresholds, write_thresholds


def scored(case, **arguments):
    probability, truth = case
    metric = ProbabilityHistograms(1)
    rows = torch.arange(len(truth))
    metric.update(probability, truth, rows)
    histograms = ImageHistograms.of(*(part.numpy() for part in metric.compute()))
    counts = Counts.of(count(probability, truth, 0.5)[:, 0].numpy(), **arguments)
    return OverThresholds.of(counts, *histograms.above(0, rows.tolist()))


@pytest.mark.parametrize("detection_min_pixels", [1, 4])
def test_every_score_is_that_of_a_new_count_at_every_threshold(random_case, detection_min_pixels):
    probability, truth = random_case(5, n=12, truth_size=(9, 8))
    of = scored((probability, truth), detection_min_pixels=detection_min_pixels)
    assert of.thresholds[0] == 0.05
    assert of.thresholds[-1] == 0.95
    assert 0.5 in of.thresholds
    for place, threshold in enumerate(of.thresholds):
        counts = Counts.of(count(probability, truth, threshold)[:, 0].numpy(), detection_min_pixels)
        for name, score in SCORES.items():
            assert of.scores[name][place] == score(counts), (name, threshold)
            assert of.at(threshold)[name] == score(counts)


def with_dice(*values):
    steps = [n / 100 for n in range(5, 96)]
    dice = [values[n % len(values)] for n in range(len(steps))]
    return OverThresholds(steps, {"dice_pooled": dice})


def test_the_best_of_equal_thresholds_is_the_nearest_to_a_half():
    assert with_dice(0.5).best == (0.5, 0.5)
    only = with_dice(0.1)
    values = [0.1] * len(only.thresholds)
    values[3] = values[60] = 0.7  # 0.08 and 0.65
    assert dataclasses.replace(only, scores={"dice_pooled": values}).best == (0.65, 0.7)


def test_without_a_positive_image_nothing_is_chosen(random_case):
    probability, truth = random_case(1)
    assert scored((probability, torch.zeros_like(truth))).best is None


def test_a_table_is_read_as_it_was_written(random_case, tmp_path):
    path = tmp_path / "thresholds.csv"
    empty = torch.zeros(3, 1, 7, 6, dtype=torch.uint8)
    written = {
        ("Val", "infection"): scored(random_case(2)),
        ("Test", "infection"): scored((random_case(3, n=3)[0], empty)),  # undefined scores
    }
    write_thresholds(written, path)
    read = read_thresholds(path)
    assert read.keys() == written.keys()
    for key, of in written.items():
        assert list(read[key].thresholds) == list(of.thresholds)
        for name, values in of.scores.items():
            assert list(read[key].scores[name]) == list(values)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 91
    assert rows[-1]["dice_positive"] == ""


@pytest.mark.parametrize("damage", ["a score less", "no number", "cut"])
def test_a_damaged_table_is_refused(random_case, tmp_path, damage):
    path = tmp_path / "thresholds.csv"
    write_thresholds({("Val", "infection"): scored(random_case(2))}, path)
    text = path.read_text()
    if damage == "a score less":
        path.write_text(text.replace(",mae", "", 1))
    elif damage == "no number":
        path.write_text(text.replace("Val,infection,0.05", "Val,infection,half", 1))
    else:
        path.write_text(text[:-30])
    with pytest.raises(RunError, match=r"thresholds\.csv"):
        read_thresholds(path)
