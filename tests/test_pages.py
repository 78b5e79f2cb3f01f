"""Every page that covseg writes, in a real browser: nothing fails, is fetched or is cut off."""

import pytest

from chromium import faults

PAGES = {
    "of a run": "sweep/0/report.html",
    "of an evaluation": "evaluated/report.html",
    "of a sweep": "sweep/sweep.html",
    "of a comparison": "compared/compare.html",
    "of a dataset": "explored/explore.html",
}
COMMANDS = [
    ("train", "-m", "experiment=debug", "model.base_channels=4,6", "seed=0,1",
     "data.targets=[infection,lung]", "callbacks=none", "hydra.sweep.dir=sweep"),
    ("evaluate", "run=sweep/0", "split=Val", "hydra.run.dir=evaluated"),
    ("compare", "runs=[sweep]", "hydra.run.dir=compared"),
    ("explore", "data=phantom", "data.phantom.n_images={Train:9,Val:6,Test:6}",
     "hydra.run.dir=explored"),
]  # fmt: skip


@pytest.mark.long
def test_pages_open_without_error_or_request_and_lead_to_each_other(verb, opened, tmp_path):
    for words in COMMANDS:
        done = verb(*words)
        assert done.code == 0, done.err
    for page, path in PAGES.items():
        for width, scheme in ((1200, "light"), (390, "dark")):
            shown, events = opened(tmp_path / path, width, scheme)
            drawn = "document.images.length + document.querySelectorAll('svg').length"
            assert shown.evaluate(drawn), page
            assert faults(shown) == [], page
            assert shown.evaluate("document.documentElement.scrollWidth") == width, page
            assert events == [], page
            if page == "of a sweep":
                links = "[...document.querySelectorAll('tbody a')].map(a => a.href)"
                reports = {(tmp_path / f"sweep/{job}/report.html").as_uri() for job in range(4)}
                assert set(shown.evaluate(links)) == reports
            shown.context.close()
