"""The page is self-contained and shows all results, and which could not be computed."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from covseg.data.findings import KINDS, Finding
from covseg.data.layouts.covid_qu_ex.names import PUBLISHED, PUBLISHED_LUNG
from covseg.report.exploration.page import page, write_page
from html_page import Page
from listings import official, without_lungs


@pytest.fixture
def written(tmp_path, origin):
    def write(result, **more) -> Page:
        write_page(result, replace(origin, **more), tmp_path)
        return Page(tmp_path / "explore.html")

    return write


@pytest.fixture(scope="module")
def full(store, explored, every_kind, origin, tmp_path_factory) -> tuple[Page, Path]:
    """A page with findings of every kind, and its folder."""
    out = tmp_path_factory.mktemp("full")
    write_page(explored(store, every_kind), origin, out)
    return Page(out / "explore.html"), out


def test_every_kind_stands_on_the_page_with_a_picture(full):
    page, _ = full
    for kind in KINDS:
        assert f"<code>{kind}</code>" in page.html
    assert page.html.count("<article>") == len(KINDS)
    assert sum(tag == "img" for tag, _ in page.addresses) == len(KINDS) + 9


def test_no_request_leaves_the_page(full):
    page, _ = full
    outside = [(tag, to) for tag, to in page.addresses if not to.startswith(("data:", "#"))]
    assert {tag for tag, _ in outside} == {"a"}
    assert all(re.match(r"https://(doi|creativecommons)\.org/", to) for _, to in outside)
    assert "<script" not in page.html
    assert "@import" not in page.html
    assert not re.findall(r"url\((?!#)", page.html)


def test_links_within_the_page_lead_somewhere_and_names_are_given_once(full):
    page, _ = full
    assert len(page.ids) == len(set(page.ids))
    inside = {to[1:] for _, to in page.addresses if to.startswith("#")}
    assert inside <= set(page.ids)


def test_names_of_files_are_words_and_never_code(store, explored, written):
    evil = "<script>alert('&\"')</script>.png"
    rows = tuple(replace(row, name=f"{n}{evil}") for n, row in enumerate(store.index.rows))
    spoilt = replace(store, index=official(rows), home=None)
    findings = [Finding("odd_name", rows[0].key, value="<b>")]
    page = written(explored(spoilt, findings), root=evil, command=evil)
    assert "<script" not in page.html
    assert "<b>, " not in page.html
    assert f"0{evil}, <b>" in page.text


def test_of_many_findings_a_hundred_names_stand_on_the_page(store, explored, origin):
    many = [Finding("odd_name", ("Val", "Normal", f"{n}.png")) for n in range(1234)]
    html = page(explored(store, many, shortcuts={}), origin, [])
    assert "<li>and 1,134 more in findings.csv</li>" in html
    assert "1,234</b>" in html


def test_a_count_that_differs_is_marked(store, explored, written):
    lungs = {split: dict(of_class) for split, of_class in PUBLISHED_LUNG.items()}
    lungs["Val"]["Normal"] = 1711
    page = written(explored(store, lung_tree=lungs))
    marked = re.findall(r'"differs">([\d,]+) ≠</span> <span class="published">([\d,]+)', page.html)
    assert ("1,711", "1,712") in marked
    assert ("8", f"{PUBLISHED['Train']['COVID-19']:,}") in marked
    assert len(marked) == 12 + 2  # nine counts and three sums; the one that was changed and its sum
    assert "Lung Segmentation Data, is missing" not in page.text


def test_figures_are_pngs_that_can_be_read(full):
    _, out = full
    paths = sorted((out / "figures").iterdir())
    assert {"mean.png", "accuracy.png", "infection_map_Train.png"} <= {p.name for p in paths}
    assert all(cv2.imread(str(path)) is not None for path in paths)


def test_the_licence_is_that_of_the_real_data_alone(full, store, explored, written):
    assert "CC BY-SA 4.0" in full[0].text
    page = written(explored(store), made_up=True)
    assert "CC BY-SA" not in page.text
    assert "Tahir" not in page.text
    assert "Phantom images" in page.text


def test_one_class_has_no_shortcut_and_no_infection_no_map(store, explored, some_rows, written):
    normal = [n for n, row in enumerate(store.index.rows) if row.patient_class == "Normal"]
    page = written(explored(some_rows(store, normal)))
    assert page.text.count("Not computed. It needs") == 2
    assert "Not computed: no image has any infection." in page.text
    assert "No findings" in page.text


def test_three_images_have_a_page(store, explored, some_rows, written):
    page = written(explored(some_rows(store, [0, len(store.index.rows) // 2, -1])))
    assert "3 of 64 × 64 pixels" in page.text


def test_without_lung_masks_nothing_is_said_of_lungs(store, explored, written):
    rows = without_lungs(store.index.rows)
    masks = {**store.masks, "lung": [np.zeros_like(mask) for mask in store.masks["lung"]]}
    without = replace(store, index=official(rows), masks=masks, home=None)
    page = written(explored(without, shortcuts={"the border alone": None}))
    assert "no lung masks" in page.text
    assert "Infected share of the lungs" not in page.text
    assert "It needs lung masks and at least two classes" in page.text
