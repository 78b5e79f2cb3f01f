"""A summary as a table on the terminal, 80 columns wide."""

import os
import sys
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from covseg.measure.scores import SCORES
from covseg.measure.summary import Summary, by_target

WIDTH = 80
_BASELINES = {
    "predict_nothing": "nothing",
    "constant": "const.",
    "mean_mask": "mean m.",
    "lung_mask": "lung m.",
}


def print_summary(summary: Summary, where: object) -> None:
    """Print the tables and the run folder to stdout, as far as somebody reads it."""
    show(summary_tables(summary), f"run folder: {where}")


def show(tables: RenderableType, last_line: str) -> None:
    """Print to stdout, as far as somebody reads it."""
    console = Console(markup=False, emoji=False)  # a folder may be called [a] or :b:
    try:
        console.print(tables, width=min(WIDTH, console.width))
        console.print(last_line, soft_wrap=True, highlight=False)
        console.file.flush()
    except (BrokenPipeError, SystemExit):  # rich makes the second of the first
        # ``| head`` has read enough, and the files hold everything
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def summary_tables(summary: Summary) -> RenderableType:
    """All scores beside the baselines', by class, and without leaks, for each target."""
    parts: list[RenderableType] = []
    for target, part in by_target(summary).items():
        parts += [_title(summary, target, part), _scores(part), Text(), _by_class(part), Text()]
        rest = part.get("without_leaks")
        if rest and rest["n_images"] < part["n_images"]:
            parts += [_title_of_rest(summary, rest, part), _scores(rest), Text()]
    if excluded := summary.get("excluded"):
        words = " and ".join(f"{n:,} images of {split}" for split, n in excluded.items())
        parts.append(Text(f"left out, for a copy stands in a later split: {words}\n"))
    return Group(*parts)


def _title(summary: Summary, target: str, part: Summary) -> Text:
    fold = summary.get("fold")
    which = summary["split"] if fold is None else f"fold {fold} of 0 to 4"
    return Text(
        f"\n{which}{target and ', ' + target}: {part['n_images']} images, "
        f"{part['n_positive']} positive; threshold {summary['threshold']:g}; 95 % intervals",
        style="bold",
    )


def _title_of_rest(summary: Summary, rest: Summary, part: Summary) -> Text:
    n_leaks = part["n_images"] - rest["n_images"]
    itself = "were fitted on before or " if "fitted_before" in summary else ""
    return Text(
        f"without {n_leaks:,} images that {itself}have a copy among the fitted ones: "
        f"{rest['n_images']:,} left",
        style="bold",
    )


def _scores(part: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("score", no_wrap=True)
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column("interval", justify="center", no_wrap=True)
    shown = {key: name for key, name in _BASELINES.items() if key in part["baselines"]}
    for name in shown.values():
        table.add_column(name, justify="right", no_wrap=True)
    for score, entry in part["scores"].items():
        others = (part["baselines"][key]["scores"][score] for key in shown)
        table.add_row(_label(score), _number(entry["value"]), _range(entry), *map(_number, others))
    return table


def _by_class(part: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("by class", no_wrap=True)
    for name in part["by_class"]:
        table.add_column(name, justify="right", no_wrap=True)
    for score in part["scores"]:
        entries = [of_class[score] for of_class in part["by_class"].values()]
        if any(entry["value"] is not None for entry in entries):
            cells = (f"{_number(e['value'])} {_range(e)}".strip() for e in entries)
            table.add_row(score, *cells)
    return table


def _label(score: str) -> str:
    return f"{score} {'↓' if SCORES[score].low_is_good else '↑'}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _range(entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    return f"{entry['low']:.3f}–{entry['high']:.3f}"
