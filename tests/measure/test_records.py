"""per_image.csv has every image exactly once, with all digits."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from covseg.data.index import Row
from covseg.measure.counts import FIELDS, count
from covseg.measure.records import Records
from listings import row

CLASSES = ["COVID-19"] * 5 + ["Non-COVID"] * 4 + ["Normal"] * 3
HEADER = (
    "name,split,patient_class,target,n_pixels,truth_pixels,tp,fp,fn,absolute_error,squared_error"
)


@pytest.fixture
def gathered(random_case: Callable) -> np.ndarray:
    """Twelve images; those of no COVID-19 have empty masks."""
    probability, truth = random_case(4, len(CLASSES), 1, (6, 6), (9, 8))
    truth[5:] = 0
    counts = count(probability, truth, 0.5).flatten(1)
    return torch.cat([torch.arange(len(CLASSES))[:, None], counts], dim=1).numpy()


@pytest.fixture
def rows(make_rows: Callable) -> list[Row]:
    return make_rows(CLASSES)


def same(one: Records, other: Records) -> bool:
    labels = ("name", "split", "patient_class", "target")
    equal = [np.array_equal(getattr(one, label), getattr(other, label)) for label in labels]
    return all(equal) and np.array_equal(one.values, other.values)


def test_the_file_reads_back_to_the_last_digit(rows: list[Row], tmp_path: Path) -> None:
    awkward = [1 / 3, 0.1 + 0.2, 1e-17, 65536 / 7, math.nextafter(65536, 0), 5e-324, 4194304.1]
    gathered = np.zeros((len(awkward), 1 + len(FIELDS)))
    gathered[:, 0] = range(len(awkward))
    gathered[:, 1:6] = [65536, 130, 128, 2**24 + 1, 2]
    gathered[:, 6], gathered[:, 7] = awkward, awkward[::-1]
    records = Records.of(gathered, rows, ["infection"])
    records.write(tmp_path / "per_image.csv")
    assert same(Records.read(tmp_path / "per_image.csv"), records)
    assert records.values[:, 5].tolist() == awkward


def test_the_file_has_its_header_and_whole_numbers_as_such(
    make_rows: Callable, tmp_path: Path
) -> None:
    gathered = np.array([[0, 65536, 130, 128, 7, 2, 9.25, 8.125]])
    records = Records.of(gathered, make_rows(["COVID-19"], split="Val"), ["infection"])
    records.write(tmp_path / "per_image.csv")
    assert (tmp_path / "per_image.csv").read_text().splitlines() == [
        HEADER,
        "image (000).png,Val,COVID-19,infection,65536,130,128,7,2,9.25,8.125",
    ]


def test_names_with_commas_quotes_and_accents_survive(tmp_path: Path) -> None:
    names = ["a, b.png", 'c "d".png', "é (1).png"]
    rows = [row("Test", "Normal", name, "", None, None) for name in names]
    gathered = np.column_stack([np.arange(3), np.ones((3, len(FIELDS)))])
    records = Records.of(gathered, rows, ["infection"])
    records.write(tmp_path / "per_image.csv")
    assert Records.read(tmp_path / "per_image.csv").name.tolist() == names


def test_records_stand_by_split_class_and_name_whatever_order_they_came_in(
    random_case: Callable, make_rows: Callable, tmp_path: Path
) -> None:
    rows = make_rows(CLASSES, "Test") + make_rows(CLASSES, "Val")
    numbers = np.random.default_rng(0).permutation(len(rows))
    counts = count(*random_case(0, len(rows)), 0.5).flatten(1).numpy()
    records = Records.of(np.column_stack([numbers, counts[numbers]]), rows, ["infection"])
    labels = list(zip(records.split, records.patient_class, records.name, strict=True))
    assert labels == sorted(labels) == [(r.split, r.patient_class, r.name) for r in rows]
    assert np.array_equal(records.values, counts)  # each image has kept its own numbers
    records.write(tmp_path / "per_image.csv")
    with (tmp_path / "per_image.csv").open(newline="") as file:
        lines = [(r["split"], r["patient_class"], r["name"]) for r in csv.DictReader(file)]
    assert lines == labels


def test_every_target_of_an_image_has_its_own_record(
    random_case: Callable, make_rows: Callable
) -> None:
    counts = count(*random_case(0, 3, 2), 0.5)
    gathered = np.column_stack([[2, 0, 1], counts[[2, 0, 1]].flatten(1).numpy()])
    records = Records.of(gathered, make_rows(["COVID-19"] * 3), ["lung", "infection"])
    assert records.target.tolist() == ["infection", "lung"] * 3
    assert np.array_equal(records.where(records.target == "lung").values, counts[:, 0].numpy())
    assert np.array_equal(records.where(records.target == "infection").values, counts[:, 1].numpy())


def test_an_image_that_was_counted_twice_is_refused(gathered: np.ndarray, rows: list[Row]) -> None:
    padded = np.concatenate([gathered, gathered[:1]])
    with pytest.raises(RuntimeError, match="counted twice"):
        Records.of(padded, rows, ["infection"])


def test_a_choice_of_records_keeps_labels_and_numbers_together(
    gathered: np.ndarray, rows: list[Row]
) -> None:
    records = Records.of(gathered, rows, ["infection"])
    normal = records.where(records.patient_class == "Normal")
    assert normal.name.tolist() == [row.name for row in rows if row.patient_class == "Normal"]
    assert np.array_equal(normal.values, gathered[9:, 1:])
    assert normal.counts(7).detection_min_pixels == 7
    assert normal.counts().tp.tolist() == gathered[9:, 3].tolist()


def test_joined_records_are_those_of_all_images_at_once(
    gathered: np.ndarray, rows: list[Row]
) -> None:
    whole = Records.of(gathered, rows, ["infection"])
    odd = np.arange(len(gathered)) % 2 == 1
    joined = Records.joined([whole.where(odd), whole.where(~odd)])
    assert joined.keys == whole.keys
    assert np.array_equal(joined.values, whole.values)
    assert whole.without(set(whole.keys[1::2])).keys == whole.keys[::2]
