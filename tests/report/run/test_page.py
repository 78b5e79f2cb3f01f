"""The page of a run: what it says, of which runs, and that nothing in a run can change it."""

import re

import pytest

from covseg.data.layouts.covid_qu_ex.names import PUBLISHED
from covseg.measure.scores import SCORES
from covseg.report.run.page import write_page
from covseg.report.run.published import OFFICIAL_FINGERPRINT
from html_page import Page

N_TEST = sum(PUBLISHED["Test"].values())


@pytest.fixture
def written(make_result):
    def write(**more) -> Page:
        result = make_result(**more)
        write_page(result, SCORES)
        return Page(result.folder / "report.html")

    return write


def test_every_score_stands_there_with_its_interval_and_the_baseline(make_result):
    result = make_result(n=20)
    write_page(result, SCORES)
    page = Page(result.folder / "report.html")
    for name, entry in result.summary["scores"].items():
        low, high = entry["low"], entry["high"]
        baseline = result.summary["baselines"]["predict_nothing"]["scores"][name]
        shown = "–" if baseline is None else f"{baseline:.4f}"
        text = f"{entry['value']:.4f} {low:.3f}–{high:.3f} {shown}"
        assert f"{SCORES[name].meaning} {text}" in page.text, name
    assert len(page.ids) == len(set(page.ids))


def test_it_needs_no_other_file_but_what_a_reader_clicks_on(written):
    page = written()
    for tag, address in page.addresses:
        assert tag == "a" or address.startswith(("data:", "#")), (tag, address)
    assert "<script" not in page.html
    assert sum(tag == "img" for tag, _ in page.addresses) >= 8


def test_names_and_settings_are_text_whatever_is_in_them(written):
    evil = "<script>alert('&\"')</script>"
    page = written(
        name=lambda n: f"{n:03}{evil}.png",
        command=evil,
        config=f"name: {evil}\n",
        root=f"{evil.replace('/', '')}.zip",
        warnings=[evil],
        folder=f"run{evil.replace('/', '')}",
    )
    assert "<script" not in page.html
    assert f"{evil}.png" in page.text
    assert f"name: {evil}" in page.text


def test_published_results_stand_beside_the_official_test_split_alone(written):
    official = {"n": N_TEST, "fingerprint": OFFICIAL_FINGERPRINT}
    assert "MedSegBench" in written(**official).text
    others = ({"fingerprint": "0" * 64}, {"split": "Val"}, {"n": N_TEST - 1}, {"targets": ["lung"]})
    for other in others:
        assert "MedSegBench" not in written(**official | other).text


def test_the_threshold_that_val_would_choose_is_named_and_its_scores_stand_there(make_result):
    result = make_result(n=24)
    choice = result.choice("infection")
    assert choice not in {None, 0.5}
    of_val = result.thresholds["Val", "infection"]
    assert of_val.at(choice)["dice_pooled"] == max(of_val.scores["dice_pooled"])
    write_page(result, SCORES)
    page = Page(result.folder / "report.html")
    assert f"Val would choose the threshold {choice:g}" in page.text
    dice = result.thresholds["Test", "infection"].at(choice)["dice_positive"]
    entry = result.summary["scores"]["dice_positive"]
    assert f"dice_positive {entry['value']:.4f} {dice:.4f}" in page.text


def test_where_nothing_selects_no_other_threshold_is_shown(written):
    page = written(selects=None)
    assert "No split selects anything in this run" in page.text
    assert "would choose" not in page.text


def test_curves_and_the_reported_epoch_are_of_the_training_run(written, make_result):
    page = written()
    assert page.html.count("epoch; 2 is reported") == 3  # the best on Val, not the last
    result = make_result(folder="other")
    (result.folder / "metrics.csv").unlink()
    write_page(result, SCORES)
    assert 'id="curves"' not in Page(result.folder / "report.html").html


def test_leaks_and_warnings_come_before_the_scores(written):
    page = written(n=20, leaks=(0, 1, 4), warnings=["3 images have a copy that is fitted on"])
    assert page.html.index("3 images have a copy") < page.html.index('<section id="scores">')
    assert "this run without 3 leaks" in page.text
    assert "Before you believe these numbers" not in written().text


def test_both_targets_have_all_their_parts(written):
    page = written(targets=("infection", "lung"))
    for section in ("Key facts of infection", "Key facts of lung"):
        assert section in page.html
    assert page.text.count("Calibration error:") == 2
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_images_has_a_page(written, n):
    page = written(n=n)
    assert f"Scored {'1 image' if n == 1 else f'{n} images'} of Test" in page.text
    for verdict in ("better than", "worse than", "not distinguishable"):
        assert verdict not in page.text  # from three images


def test_the_intervals_by_size_keep_copies_together(make_result):
    def intervals(families):
        result = make_result(n=64, families=families)
        write_page(result, SCORES)
        page = Page(result.folder / "report.html")
        start = page.text.index("Positive images in groups")
        return re.findall(r"0\.\d{4} (0\.\d{3}–0\.\d{3})", page.text[start : start + 600])

    alone = {key: n for n, key in enumerate(make_result(n=64).records.keys)}
    of_four = {key: n // 8 for key, n in alone.items()}
    assert intervals(None) == intervals(alone)
    assert intervals(of_four) != intervals(alone)


def test_the_licence_is_that_of_the_real_data_alone(written):
    assert "CC BY-SA 4.0" in written().text
    made_up = written(root=None)
    assert "CC BY-SA" not in made_up.text
    assert "made-up images" in made_up.text


def test_an_image_stands_in_a_gallery_once(written):
    page = written(n=60)
    names = re.findall(r"<figcaption><b>([^<]+)</b>", page.html)
    assert len(names) == len(set(names)) == 24


def test_the_classes_are_those_of_the_images(written):
    names = ["bacterial", "healthy", "mixed", "tuberculosis", "unknown", "viral"]
    page = written(classes=names[::-1], n=24)
    for name, number in zip(names, (1, 2, 3, 4, 5, 1), strict=True):
        assert f'<span class="chip class-{number}"><span>{name}</span>' in page.html
    for other in ("COVID-19", "Non-COVID", "Normal"):
        assert f"<span>{other}</span>" not in page.html
