"""The figures of a run, one function per figure, sized for a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from covseg.measure.counts import Numbers
from covseg.measure.histogram import Histogram
from covseg.measure.lesion_size import SizeGroup
from covseg.measure.thresholds import OverThresholds
from covseg.report.colours import CLASSES, INK, QUIET

_COVID, _OTHER, _NORMAL = CLASSES.values()
_LINES: tuple[dict[str, Any], ...] = (
    {"color": INK},
    {"color": _OTHER, "linestyle": (0, (5, 1.5))},
    {"color": _COVID, "linestyle": (0, (1.5, 1.2))},
)
_PER_CENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")
_MANY = 30  # points of a curve from which they are not marked
_AXES = (0.16, 0.17, 0.8, 0.67)  # left, bottom, width, height: the axes of all figures are in line


def over_epochs(
    title: str, curves: Mapping[str, tuple[Sequence[int], Sequence[float]]], reported: int | None
) -> Figure:
    """Curves by their names over the epochs, with a line at the reported one."""
    figure, axes = _panel(title)
    for (name, (epochs, values)), look in zip(curves.items(), _LINES, strict=False):
        marker = "o" if len(epochs) <= _MANY else ""
        axes.plot(epochs, values, marker=marker, markersize=2.5, label=name, **look)
    if reported is not None:
        axes.axvline(reported, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch" if reported is None else f"epoch; {reported} is reported")
    _legend(axes, len(curves))
    return figure


def over_thresholds(
    title: str, of: OverThresholds, names: Mapping[str, str], marks: Mapping[str, float]
) -> Figure:
    """Scores over the threshold.

    Args:
        title: of the figure.
        of: the scores.
        names: score -> label.
        marks: label -> threshold with a line.
    """
    figure, axes = _panel(title)
    for (name, label), look in zip(names.items(), _LINES, strict=False):
        values = [np.nan if value is None else value for value in of.scores[name]]
        axes.plot(of.thresholds, values, label=label, **look)
    for y, (label, at) in zip((0.02, 0.94), marks.items(), strict=False):
        axes.axvline(at, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
        left = at > 0.5
        axes.annotate(
            label, (at, y), (-3 if left else 3, 0), textcoords="offset points",
            ha="right" if left else "left", fontsize=7, color=QUIET,
        )  # fmt: skip
    axes.set(xlabel="threshold", xlim=(0, 1), ylim=(0, 1))
    _legend(axes, len(names))
    return figure


def precision_recall(of: Histogram, threshold: float) -> Figure:
    """Precision over recall of all pixels together, with a dot at the threshold."""
    figure, axes = _panel("Precision and recall of pixels")
    axes.plot(of.recall, of.precision, **_LINES[0])
    prevalence = of.positive.sum() / (of.positive.sum() + of.negative.sum())
    axes.axhline(prevalence, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.annotate("every pixel predicted", (0.02, prevalence), (0, 3), color=QUIET, fontsize=7,
                  textcoords="offset points")  # fmt: skip
    place = int(np.abs(of.thresholds - threshold).argmin())
    axes.plot(of.recall[place], of.precision[place], "o", color=_COVID, markersize=4)
    axes.annotate(
        f"threshold {of.thresholds[place]:g}", (of.recall[place], of.precision[place]), (-5, -10),
        textcoords="offset points", ha="right", fontsize=7,
    )  # fmt: skip
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def reliability(of: Histogram) -> Figure:
    """Share of positive pixels over the probability, with the diagonal of a calibrated network."""
    figure, axes = _panel("Reliability of the probability")
    predicted, true, pixels = of.reliability().T
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot(predicted, true, marker="", **_LINES[0])
    areas = 8 + 60 * np.sqrt(pixels / pixels.max())
    axes.scatter(predicted, true, s=areas, color=_OTHER, zorder=3, linewidths=0)
    axes.set(xlabel="mean probability", ylabel="share of positive pixels")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def by_size(groups: Sequence[SizeGroup], share: Numbers, dice: Numbers) -> Figure:
    """Dice of each positive image over its positive share, and the mean of each group."""
    figure, axes = _panel("Dice by size of the truth")
    axes.scatter(share, dice, s=6, color=_OTHER, alpha=0.35, linewidths=0)
    for group in groups:
        value, bounds = group.scores["dice_positive"]
        if value is None or bounds is None:
            continue
        axes.fill_between([group.smallest, group.largest], *bounds, color=INK, alpha=0.25,
                          linewidth=0)  # fmt: skip
        axes.hlines(value, group.smallest, group.largest, color=INK, linewidth=1.6)
    axes.set(xlabel="share of the image", ylabel="Dice", ylim=(-0.02, 1.02))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(_PER_CENT)
    return figure


def histogram(title: str, label: str, of_classes: Mapping[str, Numbers], right: float) -> Figure:
    """Histogram of a number of each image, in [0, right], by class."""
    figure, axes = _panel(title)
    bins = np.linspace(0, right, 21)
    for name, values in of_classes.items():
        weights = np.full(len(values), 1 / len(values))
        look: dict[str, Any] = {"histtype": "step", "color": CLASSES[name], "linewidth": 1.4}
        if len(of_classes) == 1:
            look = {"color": CLASSES[name], "alpha": 0.6}
        axes.hist(values, bins=list(bins), weights=weights, label=name, **look)
    axes.set(xlabel=label, ylabel="share of the images", xlim=(0, right))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(_PER_CENT)
    _legend(axes, len(of_classes))
    return figure


def _panel(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(3.6, 2.7))
    figure.set_layout_engine("none")
    figure.suptitle(title, x=0.02, y=0.98, ha="left")
    axes = figure.add_axes(_AXES)
    axes.grid(axis="y")
    return figure, axes


def _legend(axes: Axes, n: int) -> None:
    """Below the title and above the plot, where it covers nothing."""
    if n > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 0.985), ncols=n, borderaxespad=0,
                    columnspacing=1.2, handlelength=1.8)  # fmt: skip
