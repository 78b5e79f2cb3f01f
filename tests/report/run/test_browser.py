"""The page of a run in a real browser."""

from chromium import faults
from covseg.measure.scores import SCORES
from covseg.report.run.page import write_page


def evil(n: int) -> str:
    return f"{n:04}<script>alert({n})</script><img src=x onerror=alert({n})>.png"


def test_a_page_of_the_whole_test_split_opens_without_error_or_request(make_result, opened):
    result = make_result(n=1166, name=evil, config="name: </pre><script>alert(1)</script>")
    write_page(result, SCORES)
    path = result.folder / "report.html"
    assert path.stat().st_size < 15 * 2**20
    for width, scheme in ((1200, "light"), (390, "dark")):
        page, events = opened(path, width, scheme)
        assert faults(page) == []
        assert page.evaluate("document.images.length") == 24
        assert page.evaluate("document.querySelectorAll('script').length") == 0
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
