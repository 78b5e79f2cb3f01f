"""The figures of a comparison of runs, sized for a phone."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from covseg.data.layouts.covid_qu_ex.names import classes_of
from covseg.measure.comparison import Comparison, Group
from covseg.measure.scores import OBJECTIVE, SCORES, dice_of_each, rmse_of_each
from covseg.report.colours import INK, QUIET, class_colours
from covseg.report.html.panel import LINES, of_epochs, over_epochs, panel

_OF_EACH = {"dice_positive": "Dice of positive images", "rmse_per_image": "RMSE of all images"}
_MAX_NAME = 24  # letters of a name beside an axis


def differences(comparison: Comparison, score: str, others: Sequence[Group]) -> Figure | None:
    """The difference of each group to the reference, with its interval; None without any."""
    pairs = [(group, comparison.difference(score, group, comparison.reference)) for group in others]
    known = [(group, paired) for group, paired in pairs if paired is not None]
    if not known:
        return None
    better = "lower" if SCORES[score].low_is_good else "higher"
    figure, axes = panel(f"{score}, {better} is better")
    figure.set_size_inches(3.6, 1.0 + 0.3 * len(known))
    low, high = 0.5 / figure.get_figheight(), 0.4 / figure.get_figheight()
    axes.set_position((0.42, low, 0.54, 1 - low - high))
    for y, (_, paired) in enumerate(known):
        colour = INK if paired.distinct else QUIET
        axes.hlines(y, *paired.interval, color=colour, linewidth=1.4)
        axes.plot(paired.difference, y, "o", color=colour, markersize=4)
    axes.axvline(0, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.set_yticks(range(len(known)), [short(comparison.label(group)) for group, _ in known])
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.set_xlabel(f"difference to {short(comparison.label(comparison.reference))}")
    return figure


def scatter(comparison: Comparison, group: Group, score: str) -> Figure | None:
    """A number of each image, of a group's first run over that of the reference, by class.

    Args:
        comparison: of the runs.
        group: that is on the vertical axis.
        score: ``dice_positive``, of positive images, or ``rmse_per_image``.
    """
    of_each = dice_of_each if score == "dice_positive" else rmse_of_each
    first, second = (g.runs[0].counts for g in (comparison.reference, group))
    chosen = first.positive if score == "dice_positive" else np.full(len(first.tp), True)
    if not chosen.any():
        return None
    x, y = of_each(first), of_each(second)
    figure, axes = panel(_OF_EACH[score])
    top = 1.0 if score == "dice_positive" else 1.05 * float(max(x.max(), y.max()))
    axes.plot([0, top], [0, top], color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)))
    colours = class_colours(classes_of(comparison.strata.tolist()))
    for patient_class, colour in reversed(colours.items()):  # positive images on top
        of_class = chosen & (comparison.strata == patient_class)
        axes.scatter(x[of_class], y[of_class], s=6, color=colour, alpha=0.4, linewidths=0)
    axes.set(xlim=(-0.02 * top, top), ylim=(-0.02 * top, top))
    axes.set_xlabel(short(comparison.label(comparison.reference)))
    axes.set_ylabel(short(comparison.label(group)))
    return figure


def curves(comparison: Comparison, score: str = OBJECTIVE) -> Figure | None:
    """A score on Val over the epochs, of the first run of the best groups; None without any."""
    lines = {}
    for group in comparison.ranked(OBJECTIVE)[: len(LINES)]:
        epochs, values = of_epochs(group.runs[0].metrics, f"val/{score}")
        if values:
            lines[short(comparison.label(group))] = epochs, values
    return over_epochs(f"{score} on Val", lines, None) if lines else None


def short(name: str) -> str:
    """The end of a name, where the names of runs differ."""
    return name if len(name) <= _MAX_NAME else f"…{name[1 - _MAX_NAME :]}"
