"""Colours can be read, and the style sheet knows each of them."""

import re
from importlib.resources import files

import pytest

from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.report.colours import CSS, INK, QUIET, class_colours


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    """The variables of a light and of a dark page."""
    sheet = (files("covseg.report.html") / "templates" / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#\w{6});", block)) for block in blocks]


def test_a_light_page_has_the_colours_of_the_figures():
    light, dark = themes()
    assert light.keys() == dark.keys()
    for colour, variable in CSS.items():
        assert light[variable.removeprefix("var(--").removesuffix(")")] == colour


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_words_have_the_contrast_that_readers_need(theme):
    for name in ("ink", "quiet", "link", "warn", *(f"class-{n}" for n in range(1, 6))):
        assert contrast(theme[name], theme["page"]) >= 4.5, name
    assert contrast(theme["quiet"], theme["raised"]) >= 4.5
    assert contrast(theme["warn"], theme["warn-page"]) >= 4.5


def test_no_two_things_share_a_colour():
    five = class_colours("abcde")
    assert len({INK, QUIET, *five.values()}) == 7
    assert class_colours(PATIENT_CLASSES) == dict(zip(PATIENT_CLASSES, five.values(), strict=False))


def test_more_classes_than_colours_share_them():
    colours = class_colours("abcdefg")
    assert list(colours) == list("abcdefg")
    assert colours["f"] == colours["a"]
