"""A summary as tables for the terminal, 80 columns wide."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from covseg.measure.scores import OBJECTIVE, SCORES, Score
from covseg.measure.summary import Summary, by_target, n_leaks

WIDTH = 80
_LONGEST = 30  # signs of the name of a class that are shown where there are many
_BASELINES = {
    "predict_nothing": "nothing",
    "constant": "const.",
    "mean_mask": "mean m.",
    "lung_mask": "lung m.",
}


def print_summary(
    summary: Summary,
    out: Path,
    scores: Mapping[str, Score] = SCORES,
    *,
    by_class: bool = True,
    checkpoint: str | None = None,
) -> None:
    """Print the tables, the checkpoint and the run folder to stdout.

    Args:
        summary: the content of ``summary.json``.
        out: the run folder.
        scores: by name.
        by_class: whether to print the scores of each class as well.
        checkpoint: that was scored, if it is one.
    """
    last = [f"checkpoint: {checkpoint}"] * (checkpoint is not None) + [f"run folder: {out}"]
    show(summary_tables(summary, scores, by_class=by_class), "\n".join(last))


def print_line(summary: Summary, out: Path) -> None:
    """Print what matters most in one line, to stdout."""
    scores = []
    for target, part in by_target(summary).items():
        first, dice = part["scores"][OBJECTIVE], part["scores"]["dice_positive"]
        scores += [
            f"{target} {OBJECTIVE} {four_decimals(first['value'])} ({_range(first)})".strip()
        ]
        scores += [f"dice_positive {four_decimals(dice['value'])}"]
    show(None, f"job {out.name}: {summary['split']}, {', '.join(scores)}")


def show(tables: RenderableType | None, last_line: str | None = None) -> None:
    """Print tables, and a last line that is never broken, to stdout; a closed pipe is no error."""
    console = Console(markup=False, emoji=False)  # the path of a folder may contain [a] or :b:
    try:
        if tables is not None:
            console.print(tables, width=min(WIDTH, console.width))
        if last_line is not None:
            console.print(last_line, soft_wrap=True, highlight=False)
        console.file.flush()
    except (BrokenPipeError, SystemExit):  # ``| head``; rich turns the first into the second
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def summary_tables(
    summary: Summary, scores: Mapping[str, Score] = SCORES, *, by_class: bool = True
) -> RenderableType:
    """For each target: all scores next to the baselines', by class, and without leaks."""
    parts: list[RenderableType] = []
    for target, part in by_target(summary).items():
        parts += [_title(summary, target, part), _scores(part, scores), Text()]
        if by_class and len(part["by_class"]) > 1:
            parts += [_by_class(part), Text()]
        if n_leaks(part):
            rest = part["without_leaks"]
            parts += [_title_without_leaks(summary, rest, part), _scores(rest, scores), Text()]
    if severity := summary.get("severity"):
        parts += [_severity(severity), Text()]
    if excluded := summary.get("excluded"):
        images = " and ".join(f"{n:,} images of {split}" for split, n in excluded.items())
        parts.append(Text(f"excluded because of a copy in a later split: {images}\n"))
    return Group(*parts)


def _severity(severity: Mapping[str, Any]) -> Table:
    """Mean absolute error and mean error of the infected share of the lungs, in per cent."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("share of the lungs, in %", no_wrap=True)
    for name in ("images", "share", "error", "interval", "bias", "nothing"):
        table.add_column(name, justify="right", no_wrap=True)
    for key, title in (("all", "all images"), ("positive", "positive images")):
        if (errors := severity[key]) is None:
            continue
        absolute, signed = errors["mean_absolute_error"], errors["mean_error"]
        shares = (errors["mean_share"], absolute["value"], absolute["low"], absolute["high"])
        mean, error, low, high = (f"{100 * share:.1f}" for share in shares)
        bias, nothing = f"{100 * signed['value']:+.1f}", f"{100 * errors['predict_nothing']:.1f}"
        table.add_row(title, str(errors["n_images"]), mean, error, f"{low}–{high}", bias, nothing)
    return table


def _title(summary: Summary, target: str, part: Summary) -> Text:
    fold = summary.get("fold")
    split = summary["split"] if fold is None else f"fold {fold} (of 0 to 4)"
    return Text(
        f"\n{split}{target and ', ' + target}: {part['n_images']} images, "
        f"{part['n_positive']} positive; threshold {summary['threshold']:g}; 95 % intervals",
        style="bold",
    )


def _title_without_leaks(summary: Summary, rest: Summary, part: Summary) -> Text:
    fitted = "were fitted before or " if "fitted_before" in summary else ""
    return Text(
        f"without {n_leaks(part):,} images that {fitted}have a copy among the fitted images: "
        f"{rest['n_images']:,} images",
        style="bold",
    )


def _scores(part: Summary, scores: Mapping[str, Score]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("score", no_wrap=True)
    table.add_column("value", justify="right", style="bold", no_wrap=True)
    table.add_column("interval", justify="center", no_wrap=True)
    baselines = {key: name for key, name in _BASELINES.items() if key in part["baselines"]}
    for name in baselines.values():
        table.add_column(name, justify="right", no_wrap=True)
    for score, entry in part["scores"].items():
        trivial = (part["baselines"][key]["scores"][score] for key in baselines)
        name = f"{score} {'↓' if scores[score].low_is_good else '↑'}"
        table.add_row(
            name, four_decimals(entry["value"]), _range(entry), *map(four_decimals, trivial)
        )
    return table


def _by_class(part: Summary) -> Table:
    """The scores of each class with intervals, as far as 80 columns hold a column for each."""
    classes = part["by_class"]
    cell = len("0.1234 0.123–0.123")
    width = sum(1 + max(len(name), cell) for name in classes) + max(map(len, part["scores"]))
    if width > WIDTH:
        return _by_many_classes(part)
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("by class", no_wrap=True)
    for name in classes:
        table.add_column(name, justify="right", no_wrap=True)
    for score in part["scores"]:
        entries = [of_class[score] for of_class in classes.values()]
        if any(entry["value"] is not None for entry in entries):
            cells = (f"{four_decimals(e['value'])} {_range(e)}".strip() for e in entries)
            table.add_row(score, *cells)
    return table


def _by_many_classes(part: Summary) -> Table:
    """A line for each class, with as many scores as there is room for; the page has the rest."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    longest = min(max(map(len, ("by class", *part["by_class"]))), _LONGEST)
    table.add_column("by class", no_wrap=True, width=longest)
    names, room = list[str](), WIDTH - longest
    for score in part["scores"]:
        room -= 1 + max(len(score), len("0.1234"))
        if room < 0:
            break
        names.append(score)
        table.add_column(score, justify="right", no_wrap=True)
    for title, of_class in part["by_class"].items():
        table.add_row(title, *(four_decimals(of_class[name]["value"]) for name in names))
    return table


def four_decimals(value: float | None) -> str:
    """A score as tables and pages show it, a dash where it is undefined."""
    return "–" if value is None else f"{value:.4f}"


def _range(entry: dict[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    return f"{entry['low']:.3f}–{entry['high']:.3f}"
