"""The objective over what varies: lines for one key, a heat map for two, else parallel axes."""

from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from covseg.measure.scores import OBJECTIVE
from covseg.report.colours import BLUE, FAINT, INK, QUIET
from covseg.report.sweep.result import SweepResult, number, shown
from covseg.report.sweep.search_figure import draw_search

_COLOURS = mpl.colormaps["viridis_r"]  # bright: low, which is good
_LABELS = 8  # of an axis; of more values the first and the last are named
_LABEL = {"facecolor": FAINT, "edgecolor": "none", "pad": 1}
_MANY = 30  # ratio of the largest to the smallest value from which an axis is logarithmic


def sweep_figure(result: SweepResult) -> Figure | None:
    """The figure of a sweep; None where nothing varies among its finished jobs."""
    axes = [key for key in result.axes if len(result.choices(key)) > 1]
    if not axes:
        return None
    width, search = max(4.8, 1.1 * len(axes) + 2.4), result.search
    if search is None or not search.trials:
        figure = Figure(figsize=(width, 3.4))
        _draw(figure, result, axes)
        return figure
    figure = Figure(figsize=(max(width, 7.2), 6.2))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 2.8))[:, 0]
    _draw(above, result, axes)
    draw_search(below, search)
    return figure


def _draw(figure: FigureBase, result: SweepResult, axes: list[str]) -> None:
    draw: Callable[[Axes, SweepResult, list[str]], None] = _parallel
    if len(axes) == 1:
        draw = _line
    elif len(axes) == 2 and set(axes) <= set(result.comparable):
        draw = _heat_map
    figure.suptitle(f"{OBJECTIVE} (lower is better)", x=0.02, ha="left")
    draw(figure.add_subplot(), result, axes)


def _line(plot: Axes, result: SweepResult, axes: list[str]) -> None:
    """Every job as a dot with its interval over images, the mean over seeds or folds as a line."""
    [key] = axes
    choices = result.choices(key)
    places, numeric = _places(choices)
    means = {point.settings[key]: point.mean for point in result.points}
    plot.plot(places, [means[choice] for choice in choices], color=BLUE)
    for point in result.points:
        x = places[choices.index(point.settings[key])]
        plot.plot([x] * len(point.values), point.values, "o", color=INK, markersize=3.5, zorder=3)
        for row in point.rows:
            low, high = row.score(OBJECTIVE, "low"), row.score(OBJECTIVE, "high")
            if low is not None and high is not None and row.split == result.split:
                plot.vlines(x, low, high, color=QUIET, linewidth=1, zorder=2)
    if numeric and min(places) > 0 and max(places) / min(places) >= _MANY:
        plot.set_xscale("log")
    plot.set_xticks(places, [*map(shown, choices)])
    plot.minorticks_off()
    plot.set_xlabel(key)
    plot.grid(axis="y")


def _heat_map(plot: Axes, result: SweepResult, axes: list[str]) -> None:
    first, second = axes
    rows, columns = result.choices(first), result.choices(second)
    values = np.full((len(rows), len(columns)), np.nan)
    for point in result.points:
        place = rows.index(point.settings[first]), columns.index(point.settings[second])
        values[place] = point.mean
    image = plot.imshow(values, cmap=_COLOURS, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            red, green, blue, _ = image.to_rgba(value)
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            plot.text(
                *(column, row, f"{value:.4f}"),
                ha="center",
                va="center",
                color="white" if dark else "black",
                weight="bold" if value == np.nanmin(values) else "normal",
            )
    plot.set_xticks(range(len(columns)), [*map(shown, columns)])
    plot.set_yticks(range(len(rows)), [*map(shown, rows)])
    plot.set_xlabel(second)
    plot.set_ylabel(first)
    plot.tick_params(length=0)
    for spine in plot.spines.values():
        spine.set_visible(False)


def _parallel(plot: Axes, result: SweepResult, axes: list[str]) -> None:
    """A line per point, the best one thick, through its value on each axis and its objective."""
    means = np.array([point.mean for point in result.points])
    low, high = float(means.min()), float(means.max())
    span = (high - low) or 1.0
    places = {key: _heights(result.choices(key)) for key in axes}
    for point, mean in reversed(list(zip(result.points, means, strict=True))):
        share = (float(mean) - low) / span
        heights = [*(places[key][point.settings[key]] for key in axes), share]
        plot.plot(
            range(len(heights)),
            heights,
            color=_COLOURS(0.2 + 0.5 * share),  # seen on a light page and on a dark one
            linewidth=3 if point is result.points[0] else 1.2,
        )
    for x, key in enumerate(axes):
        plot.axvline(x, color=QUIET, linewidth=0.6)
        labelled = list(places[key].items())
        for choice, y in labelled if len(labelled) <= _LABELS else labelled[:: len(labelled) - 1]:
            plot.text(x, y, shown(choice), ha="center", va="center", fontsize=7, bbox=_LABEL)
    plot.axvline(len(axes), color=QUIET, linewidth=0.6)
    for y, value in ((0.0, low), (1.0, high)):
        plot.text(len(axes), y, f"{value:.4f}", ha="center", va="center", bbox=_LABEL)
    names = [key.replace(".", ".\n") for key in axes]
    plot.set_xticks(range(len(axes) + 1), [*names, OBJECTIVE.replace("_", "_\n", 1)])
    plot.set(yticks=[], xlim=(-0.3, len(axes) + 0.3))
    plot.tick_params(axis="x", length=0)
    for spine in plot.spines.values():
        spine.set_visible(False)


def _places(choices: list[str]) -> tuple[list[float], bool]:
    """Where values are on an axis, and whether they are numbers."""
    numbers = [value for choice in choices if (value := number(choice)) is not None]
    if len(numbers) == len(choices):
        return numbers, True
    return [float(place) for place in range(len(choices))], False


def _heights(choices: list[str]) -> dict[str, float]:
    """Evenly from 0 to 1."""
    return {choice: place / (len(choices) - 1) for place, choice in enumerate(choices)}
