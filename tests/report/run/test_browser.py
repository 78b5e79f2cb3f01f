"""The page in a real browser: nothing fails, nothing is fetched, nothing is cut off."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from covseg.measure.scores import SCORES
from covseg.report.run.page import write_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

_PICTURES = "[...document.images].map(i => [i.alt, i.complete && i.naturalWidth > 0])"
_WIDE = """[...document.querySelectorAll('main *, header *')].filter(
    e => !e.closest('.scroll, pre') && e.getBoundingClientRect().right > innerWidth + 1
).map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Callable:
    """Open a page of a given width; what it complains of and what it asks for."""

    def look(path: Path, width: int, scheme: str):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        page, events = context.new_page(), []
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.on("dialog", lambda dialog: (events.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda r: None if r.url.startswith(("file:", "data:")) else events.append(r.url),
        )
        page.goto(path.as_uri())
        return page, events

    return look


def evil(n: int) -> str:
    return f"{n:04}<script>alert({n})</script><img src=x onerror=alert({n})>.png"


def test_a_page_of_the_whole_test_split_opens_without_error_or_request(make_result, opened):
    result = make_result(n=1166, name=evil, config="name: </pre><script>alert(1)</script>")
    write_page(result, SCORES)
    path = result.folder / "report.html"
    assert path.stat().st_size < 15 * 2**20
    for width, scheme in ((1200, "light"), (390, "dark")):
        page, events = opened(path, width, scheme)
        pictures = page.evaluate(_PICTURES)
        assert len(pictures) == 24
        assert all(loaded for _, loaded in pictures)
        assert page.evaluate("document.querySelectorAll('script').length") == 0
        assert page.evaluate(_WIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert events == []
        page.context.close()


def test_a_dark_page_has_light_text_in_its_figures_as_well(make_result, opened):
    result = make_result()
    write_page(result, SCORES)
    for scheme, light in (("light", False), ("dark", True)):
        page, _ = opened(result.folder / "report.html", 800, scheme)
        colours = page.evaluate(
            "[document.body, document.querySelector('svg text')]"
            ".map(e => getComputedStyle(e)[e.tagName === 'BODY' ? 'color' : 'fill'])"
        )
        for colour in colours:
            brightness = sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(",")))
            assert (brightness > 3 * 128) == light, (scheme, colours)
        page.context.close()


def test_it_prints_on_paper_with_its_figures(make_result, opened, tmp_path):
    result = make_result()
    write_page(result, SCORES)
    page, _ = opened(result.folder / "report.html", 1200, "dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(path=tmp_path / "report.pdf")
    assert printed.startswith(b"%PDF")
    assert 3 <= printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") <= 20
