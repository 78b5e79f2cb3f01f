"""The history of a search beside what mattered in it; with several objectives its Pareto front."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import MaxNLocator

from covseg.report.colours import BLUE, INK, QUIET
from covseg.report.sweep.search import SearchResult

_ACCENT = BLUE


def draw_search(figure: SubFigure, search: SearchResult) -> None:
    """Draw a search into a part of a figure."""
    left, *right = figure.subplots(1, 1 + bool(search.importance), squeeze=False)[0]
    (_history if len(search.objectives) == 1 else _front)(left, search)
    for plot in right:
        _importance(plot, search)


def _history(plot: Axes, search: SearchResult) -> None:
    numbers = [trial.number for trial in search.trials]
    plot.plot(numbers, [trial.values[0] for trial in search.trials], "o", color=QUIET, markersize=3)
    plot.step(numbers, search.best_so_far, where="post", color=_ACCENT)
    plot.set(xlabel="trial", title=f"{search.objectives[0]}: trials, and the best so far")
    plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    plot.grid(axis="y")


def _front(plot: Axes, search: SearchResult) -> None:
    """Of the first two objectives."""
    for trials, colour in ((search.trials, QUIET), (search.best, _ACCENT)):
        values = np.array([trial.values[:2] for trial in trials])
        plot.plot(values[:, 0], values[:, 1], "o", color=colour, markersize=3.5)
    for trial in {trial.job: trial for trial in search.best}.values():
        x, y, *_ = trial.values
        plot.annotate(trial.job, (x, y), (3, 3), textcoords="offset points", fontsize=7, color=INK)
    first, second = (
        f"{name} {'(lower is better)' if low else '(higher is better)'}"
        for name, low in zip(search.objectives[:2], search.low_is_good[:2], strict=True)
    )
    plot.set(xlabel=first, ylabel=second, title="trials, and their Pareto front")
    plot.grid()


def _importance(plot: Axes, search: SearchResult) -> None:
    """Of the first objective."""
    keys = list(search.importance)
    shares = [search.importance[key][0] for key in keys]
    bars = plot.barh(range(len(keys)), shares, color=_ACCENT, height=0.6)
    plot.bar_label(bars, [f"{share:.0%}" for share in shares], padding=3, color=INK)
    plot.set_yticks(range(len(keys)), keys)
    plot.invert_yaxis()
    plot.set(
        title=f"importance for {search.objectives[0]}", xticks=[], xlim=(0, 1.15 * max(shares))
    )
    plot.tick_params(axis="y", length=0)
    plot.spines["bottom"].set_visible(False)
