"""A figure with one pair of axes, sized for a phone, and the curves that several pages show."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from covseg.csv_files import Columns
from covseg.report.colours import BLUE, GREEN, INK, ORANGE, QUIET

LINES: tuple[dict[str, Any], ...] = (
    {"color": INK},
    {"color": BLUE, "linestyle": (0, (5, 1.5))},
    {"color": ORANGE, "linestyle": (0, (1.5, 1.2))},
    {"color": GREEN, "linestyle": (0, (6, 1.5, 1.5, 1.5))},
)
PER_CENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")
_MANY = 30  # points of a curve from which they are not marked
_LETTERS = 55  # of a line in a figure, with the lines beside labels
_AXES = (0.19, 0.17, 0.77, 0.67)  # left, bottom, width, height: the axes of all figures are in line


def panel(title: str) -> tuple[Figure, Axes]:
    """An empty figure with a title."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):  # would draw a figure twice
        figure = Figure(figsize=(3.6, 2.7))
    figure.suptitle(title, x=0.02, y=0.98, ha="left")
    axes = figure.add_axes(_AXES)
    axes.grid(axis="y")
    return figure, axes


def legend(axes: Axes, n: int) -> None:
    """The labels of n > 1 things, below the title and above the plot, where they cover nothing.

    Labels that are too long for that stand where they cover least.
    """
    _, labels = axes.get_legend_handles_labels()
    if n > 1 and sum(map(len, labels)) + 5 * n > _LETTERS:
        axes.legend(loc="best", fontsize=6.5)
    elif n > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 0.985), ncols=n, borderaxespad=0,
                    columnspacing=1.2, handlelength=1.8)  # fmt: skip


def of_epochs(metrics: Columns, column: str) -> tuple[list[int], list[float]]:
    """The epochs that have a value in a column of ``metrics.csv``, and the values."""
    pairs = zip(metrics.get("epoch", ()), metrics.get(column, ()), strict=False)
    known = [(int(epoch), float(value)) for epoch, value in pairs if value]
    return [epoch for epoch, _ in known], [value for _, value in known]


def over_epochs(
    title: str, curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], reported: int | None
) -> Figure:
    """Curves by their names over the epochs, with a line at the reported one."""
    figure, axes = panel(title)
    for (name, (epochs, values)), look in zip(curves.items(), LINES, strict=False):
        marker = "o" if len(epochs) <= _MANY else ""
        axes.plot(epochs, values, marker=marker, markersize=2.5, label=name, **look)
    if reported is not None:
        axes.axvline(reported, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch" if reported is None else f"epoch; {reported} is reported")
    legend(axes, len(curves))
    return figure
