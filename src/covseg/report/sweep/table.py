"""A sweep as tables for the terminal, 80 columns wide."""

from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from covseg.measure.scores import OBJECTIVE
from covseg.report.sweep.result import Point, SweepResult, shown
from covseg.report.sweep.search import SearchResult
from covseg.report.table import WIDTH, show

_MOST = 40  # rows
TEST_WARNING = "Jobs report Test: choose nothing by this table."


def print_sweep(result: SweepResult, out: Path) -> None:
    """Print the tables and the path of the page to stdout."""
    show(sweep_tables(result), f"sweep: {out / 'sweep.html'}")


def sweep_tables(result: SweepResult) -> RenderableType:
    """The points, the best first, and the mean over the points with each value of a key."""
    n_jobs = sum(len(point.rows) for point in result.points)
    title = (
        f"\n{n_jobs} of {len(result.rows)} jobs by {OBJECTIVE} on {result.split}, the best first"
    )
    parts: list[RenderableType] = [Text(title, style="bold")]
    if result.reports_test:
        parts.append(Text(TEST_WARNING, style="bold red"))
    parts.append(_points(result))
    if len(result.points) > _MOST:
        parts.append(Text(f"and {len(result.points) - _MOST} more in sweep.csv"))
    if result.comparable:
        parts += [Text(), _effects(result)]
    if result.search is not None:
        parts += [Text(), Text(result.search.verdict)]
        if result.search.importance:
            parts += [Text(), _importance(result.search)]
    return Group(*parts, Text())


def short_names(keys: list[str]) -> dict[str, str]:
    """The last part of each dotted key where that is unique, else the whole key."""
    last = [key.rpartition(".")[2] for key in keys]
    return {k: name if last.count(name) == 1 else k for k, name in zip(keys, last, strict=True)}


def _points(result: SweepResult) -> Table:
    """As many of the last columns as fit."""
    wide = Console(width=4 * WIDTH, markup=False, emoji=False)
    points = result.points[:_MOST]
    named = short_names(result.axes).items()
    settings = {
        name: [shown(point.settings.get(key, "")) for point in points] for key, name in named
    }
    columns = {
        name: [*map(cell, points)]
        for name, cell in _COLUMNS.items()
        if result.one_split or name not in _OF_SCORED_SPLIT
    }
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    for n_columns in range(len(filled), 0, -1):
        table = _table()
        for name in settings:
            table.add_column(name, overflow="fold")
        for name in list(filled)[:n_columns]:
            table.add_column(name, justify="right", no_wrap=name != "job", min_width=3)
        for cells in zip(*settings.values(), *[*filled.values()][:n_columns], strict=True):
            table.add_row(*cells)
        if Measurement.get(wide, wide.options, table).maximum <= WIDTH:
            break
    return table


def _effects(result: SweepResult) -> Table:
    table = _table()
    for name in ("what varies", "", f"mean {OBJECTIVE} ↓", "points"):
        table.add_column(name, justify="right" if name not in {"what varies", ""} else "left")
    for key in result.comparable:
        effects = result.effects(key)
        best = min(mean for _, mean in effects.values())
        for number, (value, (n_points, mean)) in enumerate(effects.items()):
            style = "bold" if mean == best else ""
            table.add_row(
                key if not number else "", value, f"{mean:.4f}", f"{n_points}", style=style
            )
    return table


def _importance(search: SearchResult) -> Table:
    """The share of the variance of each objective that a key explains."""
    table = _table()
    for name in ("importance for", *search.objectives):
        table.add_column(name, justify="right" if name in search.objectives else "left")
    for key, shares in search.importance.items():
        table.add_row(key, *(f"{share:.0%}" for share in shares))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)


def _interval(point: Point) -> str:
    """The interval over images, the mean of those of several jobs."""
    low, high = point.score(OBJECTIVE, "low"), point.score(OBJECTIVE, "high")
    return "" if low is None or high is None else f"{low:.3f}–{high:.3f}"


def _spread(point: Point) -> str:
    return "" if point.spread is None else f"{point.spread:.4f} ({len(point.rows)})"


def _dice(point: Point) -> str:
    dice = point.score("dice_positive")
    return "" if dice is None else f"{dice:.4f}"


# the last are left out where 80 columns are too few
_COLUMNS: dict[str, Callable[[Point], str]] = {
    f"{OBJECTIVE} ↓": lambda point: f"{point.mean:.4f}",
    "interval": _interval,
    "± runs": _spread,
    "job": lambda point: " ".join(row.job for row in point.rows),
    "dice_positive ↑": _dice,
    "seconds": lambda point: f"{sum(row.seconds or 0 for row in point.rows):,.0f}",
}
_OF_SCORED_SPLIT = {"interval", "dice_positive ↑"}
