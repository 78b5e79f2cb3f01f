"""The tables are whole: they can be read with a spreadsheet and hold what was measured."""

import csv
import math

import pytest

from covseg.data.audit.statistics import NAMES
from covseg.data.layouts.covid_qu_ex.names import PUBLISHED_LUNG
from covseg.report.exploration.tables import write_tables


@pytest.fixture
def tables(store, explored, every_kind, tmp_path):
    lung_tree = {s: dict(of_class) for s, of_class in PUBLISHED_LUNG.items()}
    result = explored(store, every_kind, lung_tree=lung_tree)
    write_tables(result, tmp_path)
    read = {}
    for path in tmp_path.glob("*.csv"):
        with path.open(newline="") as file:
            read[path.stem] = list(csv.DictReader(file))
    return result, read


def test_statistics_have_a_line_an_image(tables, store):
    result, read = tables
    assert len(read["statistics"]) == len(store.index.rows)
    for number, (line, row) in enumerate(zip(read["statistics"], store.index.rows, strict=True)):
        assert (line["split"], line["class"], line["name"]) == row.key
        for name in NAMES:
            value = result.statistics[name][number]
            shown = float(line[name]) if line[name] else math.nan
            assert shown == pytest.approx(value, rel=1e-5, nan_ok=True)


def test_counts_stand_beside_the_published_ones(tables, store):
    _, read = tables
    first, *_, last = read["counts"]
    tree = "Infection Segmentation Data"
    assert list(first.values()) == [tree, "Train", "COVID-19", "8", "1864"]
    assert last["tree"] == "Lung Segmentation Data"
    assert last["images"] == last["published"] == "2140"


def test_shortcuts_agree_with_their_confusion(tables):
    result, read = tables
    assert {line["seen"] for line in read["shortcuts"]} == set(result.shortcuts)
    for line in read["shortcuts"]:
        cells = [c for c in read["confusion"] if c["seen"] == line["seen"]]
        right = sum(int(c["images"]) for c in cells if c["class"] == c["taken_for"])
        total = sum(int(c["images"]) for c in cells)
        assert total == int(line["images"])
        assert float(line["accuracy"]) == pytest.approx(right / total, rel=1e-5)
        assert float(line["accuracy_low"]) <= right / total <= float(line["accuracy_high"])


def test_every_kind_is_counted(tables):
    _, read = tables
    assert {line["findings"] for line in read["findings_by_kind"]} == {"1"}
