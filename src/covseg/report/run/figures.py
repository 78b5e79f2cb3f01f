"""The figures of a run, one function per figure, sized for a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from covseg.data.layouts.covid_qu_ex.names import classes_of
from covseg.measure.counts import Numbers
from covseg.measure.histogram import Histogram
from covseg.measure.lesion_size import SizeGroup
from covseg.measure.severity import Severity
from covseg.measure.thresholds import OverThresholds
from covseg.report.colours import BLUE, INK, ORANGE, QUIET, class_colours
from covseg.report.html.panel import LINES, PER_CENT, legend, panel


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
    figure, axes = panel(title)
    for (name, label), look in zip(names.items(), LINES, strict=False):
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
    legend(axes, len(names))
    return figure


def precision_recall(of: Histogram, threshold: float) -> Figure:
    """Precision over recall of all pixels together, with a dot at the threshold."""
    figure, axes = panel("Precision and recall of pixels")
    axes.plot(of.recall, of.precision, **LINES[0])
    prevalence = of.positive.sum() / (of.positive.sum() + of.negative.sum())
    axes.axhline(prevalence, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.annotate("every pixel predicted", (0.02, prevalence), (0, 3), color=QUIET, fontsize=7,
                  textcoords="offset points")  # fmt: skip
    place = int(np.abs(of.thresholds - threshold).argmin())
    axes.plot(of.recall[place], of.precision[place], "o", color=ORANGE, markersize=4)
    axes.annotate(
        f"threshold {of.thresholds[place]:g}", (of.recall[place], of.precision[place]), (-5, -10),
        textcoords="offset points", ha="right", fontsize=7,
    )  # fmt: skip
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def reliability(of: Histogram) -> Figure:
    """Share of positive pixels over the probability, with the diagonal of a calibrated network."""
    figure, axes = panel("Reliability of the probability")
    predicted, true, pixels = of.reliability().T
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.plot(predicted, true, marker="", **LINES[0])
    areas = 8 + 60 * np.sqrt(pixels / pixels.max())
    axes.scatter(predicted, true, s=areas, color=BLUE, zorder=3, linewidths=0)
    axes.set(xlabel="mean probability", ylabel="share of positive pixels")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    return figure


def by_size(groups: Sequence[SizeGroup], share: Numbers, dice: Numbers) -> Figure:
    """Dice of each positive image over its positive share, and the mean of each group."""
    figure, axes = panel("Dice by size of the truth")
    axes.scatter(share, dice, s=6, color=BLUE, alpha=0.35, linewidths=0)
    for group in groups:
        value, bounds = group.scores["dice_positive"]
        if value is None or bounds is None:
            continue
        axes.fill_between([group.smallest, group.largest], *bounds, color=INK, alpha=0.25,
                          linewidth=0)  # fmt: skip
        axes.hlines(value, group.smallest, group.largest, color=INK, linewidth=1.6)
    axes.set(xlabel="share of the image", ylabel="Dice", ylim=(-0.02, 1.02))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PER_CENT)
    return figure


def histogram(title: str, label: str, of_classes: Mapping[str, Numbers], right: float) -> Figure:
    """Histogram of a number of each image, in [0, right], by class; one without images has none."""
    figure, axes = panel(title)
    bins, colours = np.linspace(0, right, 21), class_colours(list(of_classes))
    of_classes = {name: values for name, values in of_classes.items() if len(values)}
    for name, values in of_classes.items():
        weights = np.full(len(values), 1 / len(values))
        look: dict[str, Any] = {"histtype": "step", "color": colours[name], "linewidth": 1.4}
        if len(of_classes) == 1:
            look = {"color": colours[name], "alpha": 0.6}
        axes.hist(values, bins=list(bins), weights=weights, label=name, **look)
    axes.set(xlabel=label, ylabel="share of the images", xlim=(0, right))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(PER_CENT)
    legend(axes, len(of_classes))
    return figure


def severity(of: Severity) -> Figure:
    """The predicted affected share of the lungs over the true one, by class."""
    figure, axes = panel("Affected share of the lungs")
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    classes = of.lesion.patient_class
    colours = class_colours(classes_of(classes.tolist()))
    for name, colour in reversed(colours.items()):  # positive images on top
        chosen = classes == name
        axes.scatter(of.true[chosen], of.predicted[chosen], s=6, color=colour, alpha=0.4,
                     linewidths=0, label=name)  # fmt: skip
    axes.set(xlabel="true", ylabel="predicted", xlim=(-0.02, 1.02))
    axes.set_ylim(-0.02, max(1.02, float(np.nanmax(of.predicted, initial=0))))
    axes.xaxis.set_major_formatter(PER_CENT)
    axes.yaxis.set_major_formatter(PER_CENT)
    legend(axes, len(colours))
    return figure
