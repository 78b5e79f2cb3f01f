"""Dice and IoU by every way of averaging, and what a published pair can mean, as tables."""

import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from covseg.measure.conventions import CONVENTIONS
from covseg.measure.counts import Counts
from covseg.measure.published import PublishedPair, Reading


def run_table(counts: Counts, title: str) -> Table:
    """The scores of a run by each convention."""
    table = _table(title)
    table.add_column("Dice", justify="right")
    table.add_column("IoU", justify="right")
    table.add_column("definition")
    for name, convention in CONVENTIONS.items():
        scores = (_number(convention.dice(counts)), _number(convention.iou(counts)))
        table.add_row(name, *scores, convention.meaning)
    return table


def pair_table(pair: PublishedPair, readings: Sequence[Reading]) -> Table:
    """What a published pair means by each convention."""
    dice, iou = (
        f"{value:.4f} (±{rounding:.1g} by rounding)"
        for value, rounding in ((pair.dice, pair.dice_rounding), (pair.iou, pair.iou_rounding))
    )
    title = f"Dice {dice} and IoU {iou}, as published, read as"
    table = _table(title)
    table.add_column("possible")
    table.add_column("dice_positive", justify="right")
    table.add_column("iou_positive", justify="right")
    table.add_column("because, or if")
    for reading in readings:
        table.add_row(
            reading.convention,
            "yes" if reading.possible else "no",
            _number(reading.dice_positive),
            _number(reading.iou_positive),
            reading.reason,
        )
    return table


def _table(title: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        title=title,
        title_justify="left",
        title_style="bold",
    )
    table.add_column("average", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"
