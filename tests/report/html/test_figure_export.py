"""A figure is a PNG on white, and an SVG in the colours of the page around it."""

import re
import xml.etree.ElementTree as ET

import cv2
import numpy as np
from matplotlib.figure import Figure

from covseg.report.colours import CSS, GREEN, INK
from covseg.report.html.figure_export import png, style, svg


def figure() -> Figure:
    with style():
        made = Figure(figsize=(3, 2))
        axes = made.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREEN)
        axes.imshow(np.eye(4))
        axes.set_title("a < b & c")
    return made


def test_a_png_is_white_around_the_drawing():
    picture = cv2.imdecode(np.frombuffer(png(figure()), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (300, 450, 3)
    assert tuple(picture[0, 0]) == (255, 255, 255)


def test_an_svg_takes_the_colours_and_letters_of_the_page():
    text = svg(figure(), "name", 'what "it" shows & says')
    assert ET.fromstring(text).get("aria-label") == 'what "it" shows & says'
    assert CSS[GREEN] in text
    assert CSS[INK] in text
    assert not any(colour in text for colour in CSS)
    assert "a &lt; b &amp; c" in text
    assert "font-family" not in text
    assert "<style" not in text
    assert "#000000" not in text


def test_two_figures_of_a_page_share_no_name():
    one, other = svg(figure(), "one", ""), svg(figure(), "other", "")
    names = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert names[0]
    assert not names[0] & names[1]
    for text, own in zip((one, other), names, strict=True):
        assert set(re.findall(r"#([\w-]+)[\")]", text)) <= own


def test_the_same_figure_is_the_same_text():
    assert svg(figure(), "one", "") == svg(figure(), "one", "")
