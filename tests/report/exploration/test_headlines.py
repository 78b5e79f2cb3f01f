"""The half minute's sentences hold the numbers, and warn only where there is reason to."""

from dataclasses import replace

import numpy as np

from covseg.data.findings import Finding
from covseg.measure.shortcuts import Shortcut
from covseg.report.exploration.headlines import headlines, percent

CLASSES = ("COVID-19", "Normal")


def test_a_leak_is_counted_in_images_of_test(store, explored):
    of = store.index.of_split
    rows, train, test = store.index.rows, of("Train"), of("Test")
    family = [train[0], train[1], test[0], test[1]]
    pairs = [(train[0], train[1]), (train[0], test[0]), (test[0], test[1])]
    findings = [Finding("near_duplicate", rows[a].key, rows[b].key, 0.98) for a, b in pairs]
    result = explored(store, findings, families=[family])
    assert headlines(result)[0].startswith("2 of the 8 Test images (25.0 %)")
    assert result.seen_before("Train", ("Test", "Val")) == 2
    assert result.seen_before("Val", ("Train", "Test")) == 0
    assert not any("Val images" in line for line in headlines(result))


def test_what_val_shares_with_train_is_told_too(store, explored):
    train, val = (store.index.of_split(split)[0] for split in ("Train", "Val"))
    said = headlines(explored(store, families=[[train, val]]))
    assert said[0] == "No radiograph of Test is also in Train or Val."
    assert said[1].startswith("1 Val images (12.5 %)")


def test_a_shortcut_is_told_where_it_is_better_than_the_majority(store, explored):
    good, bad = np.array([[90, 10], [10, 90]]), np.array([[60, 40], [60, 40]])
    shortcuts = {"A": Shortcut(CLASSES, good), "B": Shortcut(CLASSES, bad), "C": None}
    said = " ".join(headlines(explored(store, shortcuts=shortcuts)))
    assert "accuracy of 90.0 % from A; always predicting the most frequent class has 50.0 %" in said
    assert " B" not in said


def test_masks_and_damage_are_told(store, explored):
    one, other = store.index.rows[0].key, store.index.rows[1].key
    findings = [
        *(Finding("masks_disagree", one, other, dice) for dice in (0.5, 0.8, 0.9)),
        Finding("infection_is_lung", one),
        Finding("unreadable", one, value="images: truncated"),
    ]
    said = " ".join(headlines(explored(store, findings)))
    assert "masks of 3 pair(s) of copies differ, with a median Dice of 0.80" in said
    assert "In 1 image(s) the infection mask is identical to the lung mask" in said
    assert "1 file(s) are damaged" in said
    assert "No radiograph of Test is also in Train or Val." in said


def test_a_dataset_without_test_and_findings_has_a_sentence_too(store, explored, some_rows):
    only = some_rows(store, store.index.of_split("Train"))
    result = replace(explored(only), shortcuts={})
    assert headlines(result) == [
        "No problems were detected that would affect training on this data."
    ]


def test_percent_has_a_space_as_everywhere():
    assert percent(0.12345) == "12.3 %"
