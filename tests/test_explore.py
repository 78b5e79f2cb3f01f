"""``python -m covseg.explore``: what was planted stands in its files and on the terminal."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from rich.console import Console

from covseg.data.findings import COPIES, KINDS, Finding, read
from covseg.data.layouts.covid_qu_ex.names import PUBLISHED
from covseg.data.phantom.dataset import write
from covseg.report.findings_table import Tree, findings_tables
from covseg.report.meaning import MEANINGS
from covseg.run.processes.external import ExternalProcess

TREE = "Infection Segmentation Data/Infection Segmentation Data"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write(tmp_path / "dataset", 3, {"Train": 12, "Val": 4, "Test": 4}, size=64)
    return tmp_path / "dataset"


def images(dataset: Path, split: str) -> list[Path]:
    return sorted((dataset / TREE / split / "COVID-19" / "images").iterdir())


def explored(verb: Callable, tmp_path: Path) -> tuple[list[Finding], str]:
    words = ("data.root=dataset", "data.cache_dir=cache", "hydra.run.dir=x")
    done = verb("explore", *words)
    assert done.code == 0, done.err
    return read(tmp_path / "x" / "findings.csv"), done.out


def test_a_copy_in_another_split_is_a_leak(dataset, verb, tmp_path):
    source, copy = images(dataset, "Train")[1], images(dataset, "Test")[0]
    shutil.copy(source, copy)
    images(dataset, "Val")[0].write_bytes(b"")
    found, said = explored(verb, tmp_path)
    kinds = {finding.kind: finding for finding in found}
    assert set(kinds) == {"exact_duplicate", "masks_disagree", "unreadable"}
    leak = kinds["exact_duplicate"]
    assert leak.is_leak
    assert {leak.a, leak.b} == {
        ("Train", "COVID-19", source.name),
        ("Test", "COVID-19", copy.name),
    }
    assert "1 pairs of copies in 1 families; 1 across splits" in said
    assert re.search(r"^Val +1 \(466\) +1 \(233\) +1 \(233\) +3 \(932\)$", said, re.M)
    assert said.endswith(f"page: {tmp_path}/x/explore.html\n")
    notes = json.loads((tmp_path / "x" / "provenance.json").read_text())
    assert notes["data"]["counts"]["Val"] == {"COVID-19": 1, "Non-COVID": 1, "Normal": 1}
    assert {path.name for path in (tmp_path / "x").iterdir()} == {
        *("config.yaml", "explore.html", "explore.log", "figures", "findings.csv"),
        *("provenance.json", "tables"),
    }
    page = (tmp_path / "x" / "explore.html").read_text()
    assert all(f"<code>{kind}</code>" in page for kind in kinds)
    assert "1 of the 4 Test images (25.0 %)" in page
    with (tmp_path / "x" / "tables" / "statistics.csv").open() as table:
        assert len(table.readlines()) == 1 + 19  # a line an image; one of 20 cannot be read


def test_a_whole_dataset_has_no_finding(dataset, verb, tmp_path):
    found, said = explored(verb, tmp_path)
    assert found == []
    assert "no finding" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("data.root=nowhere",), "/nowhere does not exist"),
        (("data.image_size=64",), "data.image_size=64"),
        (("data.root=dataset", "data.cache_dir=dataset/Infection"), ""),
    ],
)
def test_what_cannot_be_is_refused(words, sentence, dataset, verb, tmp_path):
    (dataset / "Infection").write_text("a file")
    done = verb("explore", *words)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert sentence in done.err
    assert not list(tmp_path.glob("outputs/explore/*"))


def test_two_copies_of_the_lung_tree_stop_nothing(dataset, verb, tmp_path):
    for folder in ("a", "b"):
        path = dataset / folder / "Lung Segmentation Data" / "Test" / "Normal" / "images" / "x.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    explored(verb, tmp_path)
    log = (tmp_path / "x" / "explore.log").read_text()
    assert "the lung tree is not counted" in log
    assert "Lung Segmentation Data, is missing" in (tmp_path / "x" / "explore.html").read_text()


def test_a_shortcut_that_is_planted_is_found(tmp_path, verb):
    write(tmp_path / "dataset", 3, {"Train": 24, "Val": 4, "Test": 4}, size=64)
    for path in (tmp_path / "dataset" / TREE).glob("*/Normal/images/*.png"):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.rectangle(picture, (0, 0), (63, 3), 255, -1))
    explored(verb, tmp_path)
    with (tmp_path / "x" / "tables" / "confusion.csv").open(newline="") as file:
        cells = [line for line in csv.DictReader(file) if line["class"] == "Normal"]
    assert {line["seen"] for line in cells} == {"20 global statistics", "the border alone"}
    right = [int(line["images"]) for line in cells if line["taken_for"] == "Normal"]
    assert right == [8, 8]


def test_it_is_work_for_one_process(dataset, verb, monkeypatch):
    class Others(ExternalProcess):
        def publish(self, folder: object) -> None:
            assert folder is None

    monkeypatch.setattr("covseg.run.command.main.external_process", lambda: Others(0, 2, 2))
    done = verb("explore", "data.root=dataset")
    assert done.code == 1
    assert "python -m covseg.explore is work for one process" in done.err


def test_the_tables_fit_80_columns_and_name_every_kind():
    key = ("Train", "COVID-19", "covid_1.png")
    found = [
        Finding(kind, key, ("Test", *key[1:]) if "duplicate" in kind else None) for kind in KINDS
    ]
    console = Console(width=80, record=True)
    console.print(findings_tables(Tree("images", PUBLISHED, PUBLISHED), found * 1000, 999))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert all(f"{kind} " in shown for kind in KINDS)
    assert f"{len(COPIES) * 1000} pairs of copies in 999 families" in shown
    assert "publish" not in shown
    assert set(MEANINGS) == set(KINDS)
