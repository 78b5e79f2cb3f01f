"""Exports matplotlib figures as PNG, and as SVG for embedding in a page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from covseg.report.colours import CSS, INK, LINE, QUIET

_DPI = 150
_STYLE: Any = {  # matplotlib types the keys as literals
    "font.size": 8,
    "figure.titlesize": 9,
    "figure.titleweight": "bold",
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a dollar sign is one
    # keep text as text: searchable, accessible, and in the page's font
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures, to be active while they are drawn and saved."""
    with mpl.rc_context(_STYLE):
        yield


def png(figure: Figure) -> bytes:
    """The figure as a PNG with a white background."""
    file = io.BytesIO()
    with style():
        figure.savefig(file, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an ``<svg>`` element in the colours of the page.

    Args:
        figure: drawn in the colours of ``colours.CSS``.
        name: unique on the page.
        description: text for screen readers.
    """
    file = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with style(), mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would style the whole page
    used = set(re.findall(r"#([\w-]+)[\")]", text))
    text = re.sub(r' id="([\w.-]+)"', lambda m: m[0] if m[1] in used else "", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for colour, variable in CSS.items():
        text = text.replace(colour, variable)
    described = description.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg", f'<svg role="img" aria-label="{described}"', 1)
