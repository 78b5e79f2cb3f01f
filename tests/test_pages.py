"""Every page that covseg writes, in a real browser: nothing fails, is fetched or is cut off."""

from pathlib import Path

import pytest

from chromium import faults
from conftest import run_command

PAGES = {
    "the page of a run": "sweep/0/report.html",
    "the page of an evaluation": "evaluated/report.html",
    "of a sweep": "sweep/sweep.html",
    "of a comparison": "compared/compare.html",
    "of a dataset": "explored/explore.html",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, phantom_cache: Path) -> Path:
    """Two seeds of two widths with both targets, an evaluation, a comparison and a dataset."""
    folder = tmp_path_factory.mktemp("pages")
    commands = [
        ("train", "-m", "experiment=debug", "model.base_channels=4,6", "seed=0,1",
         "data.targets=[infection,lung]", "callbacks=none", "hydra.sweep.dir=sweep"),
        ("evaluate", "run=sweep/0", "split=Val", "hydra.run.dir=evaluated"),
        ("compare", "runs=[sweep]", "hydra.run.dir=compared"),
        ("explore", "data=phantom", "data.phantom.n_images={Train:9,Val:6,Test:6}",
         "hydra.run.dir=explored"),
    ]  # fmt: skip
    for words in commands:
        done = run_command(*words, cwd=folder, cache=phantom_cache)
        assert done.code == 0, done.err
    return folder


def test_the_page_of_a_sweep_leads_to_those_of_its_jobs(home, opened):
    page, _ = opened(home / "sweep" / "sweep.html", 1200, "light")
    links = page.evaluate("[...document.querySelectorAll('tbody a')].map(a => a.href)")
    page.context.close()
    reports = {(home / "sweep" / str(job) / "report.html").as_uri() for job in range(4)}
    assert set(links) == reports


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_error_or_request(page, home, opened):
    for width, scheme in ((1200, "light"), (390, "dark")):
        shown, events = opened(home / PAGES[page], width, scheme)
        assert shown.evaluate("document.images.length + document.querySelectorAll('svg').length")
        assert faults(shown) == []
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        assert events == []
        shown.context.close()
