"""A comparison of runs on the terminal: what differs, the scores, and what may be claimed."""

import math
import textwrap

from rich import box
from rich.console import Group as Parts
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from covseg.measure.comparison import Comparison, Group
from covseg.measure.paired import ENOUGH, Paired
from covseg.measure.scores import SCORES
from covseg.report.table import four_decimals

_WIDTH = 80
_MOST_COLUMNS = 5  # of settings, beside a run's name, size and time
_WHOLE = ("value", "interval", "sd", "difference", "better")  # columns that are never broken
SHOWN = ("rmse_per_image", "dice_positive", "iou_positive", "false_alarm_rate", "miss_rate")
CLAIMED = ("rmse_per_image", "dice_positive")


def comparison_tables(comparison: Comparison) -> RenderableType:
    """All tables, and the claims below them."""
    n_images = len(comparison.strata)
    title = f"{comparison.target} on {comparison.split}: the same {n_images:,} images"
    parts: list[RenderableType] = [Text(title, style="bold"), _settings(comparison), Text()]
    for score in SHOWN:
        meaning = f"{score}, {'lower' if SCORES[score].low_is_good else 'higher'} is better"
        parts += [Text(meaning, style="bold"), _score(comparison, score), Text()]
    for score in CLAIMED:
        if text := claim(comparison, score):
            parts += [Text(textwrap.fill(text, _WIDTH)), Text()]
    return Parts(*parts[:-1])


def _settings(comparison: Comparison) -> RenderableType:
    """A column for each setting that differs; of many, a paragraph for each run."""
    keys = comparison.differing
    if len(keys) > _MOST_COLUMNS:
        return Parts(*(_paragraph(comparison, group) for group in comparison.groups))
    table = _table("run", *keys, "parameters", "minutes")
    for group in comparison.groups:
        values = (group.runs[0].settings.get(key, "–") for key in keys)
        table.add_row(group.name, *values, *_size(group))
    return table


def _paragraph(comparison: Comparison, group: Group) -> Text:
    """What distinguishes a run from the reference, whose paragraph has every key."""
    own, expected = (g.runs[0].settings for g in (group, comparison.reference))
    keys = comparison.differing
    if group is not comparison.reference:
        keys = [key for key in keys if own.get(key) != expected.get(key)]
    settings = " ".join(f"{key}={own.get(key, '–')}" for key in keys) or "as the reference"
    parameters, minutes = _size(group)
    text = f"{group.name}: {settings}; {parameters} parameters, {minutes} minutes"
    return Text(textwrap.fill(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False))


def _size(group: Group) -> tuple[str, str]:
    """Parameters and minutes of a run."""
    parameters = group.runs[0].parameters
    return (
        "–" if parameters is None else f"{parameters:,}",
        "–" if group.seconds is None else f"{group.seconds / 60:.1f}",
    )


def _score(comparison: Comparison, score: str) -> Table:
    table = _table("run", "value", "interval", "sd", "difference", "interval", "better")
    for group, bounds in zip(comparison.groups, comparison.bounds, strict=True):
        value, bound, spread = group.mean(score), bounds[score], group.spread(score)
        cells = [four_decimals(value), _range(bound)]
        cells.append("" if spread is None else f"{spread:.4f}")
        difference = None
        if group is not comparison.reference:
            difference = comparison.difference(score, group, comparison.reference)
        if difference is not None:
            cells += [f"{difference.difference:+.4f}", _range(difference.interval, "+")]
            cells.append(f"{difference.share_of_resamples_better:.1%}".replace("%", " %"))
        table.add_row(group.name, *cells)
    return table


def claim(comparison: Comparison, score: str) -> str:
    """What may be said of the best two configurations, in words for a paper; empty for one."""
    ranked = comparison.ranked(score)
    if len(ranked) < 2:
        return ""
    best, following = ranked[:2]
    difference = comparison.difference(score, best, following)
    if difference is None or difference.difference == 0:
        return f"{score}: {comparison.label(best)} and {comparison.label(following)} are equal."
    return " ".join(
        [
            _of_images(comparison, score, (best, following), difference),
            _of_seeds(score, (best, following)),
        ]
    )


def _of_images(
    comparison: Comparison, score: str, pair: tuple[Group, Group], difference: Paired
) -> str:
    best, following = pair
    kept = "copies of one radiograph kept together"
    if comparison.families is None:
        kept = "copies of one radiograph are not known"
    low, high = difference.interval
    said = (
        (
            f"{score}: {comparison.label(best)} is better than {comparison.label(following)} by "
            f"{abs(difference.difference):.4f} "
            f"(95 % interval of the difference {low:+.4f} to {high:+.4f}; better in "
            f"{difference.share_of_resamples_better:.1%} of 2,000 resamples; paired percentile "
            f"bootstrap over {difference.n_images:,} images, stratified by class, {kept})."
        )
        .replace("%", " %")
        .replace("  %", " %")
    )
    if not difference.enough:
        return (
            f"{said} No claim: the score is of {difference.n_carrying} images, and with fewer than "
            f"{ENOUGH} such an interval is too narrow."
        )
    if difference.distinct:
        return (
            f"{said} The interval excludes 0: for other images of this kind the claim holds at the "
            "5 % level (two-sided, frequentist)."
        )
    needed = difference.images_to_settle
    return (
        f"{said} The interval includes 0: no claim. If the difference is what it seems, about "
        f"{needed:,} such images would settle it (power 80 %)."
    )


def _of_seeds(score: str, pair: tuple[Group, Group]) -> str:
    best, following = (group.values(score) for group in pair)
    if len(best) == len(following) == 1:
        return "Whether other seeds would reverse it is not known: train several seeds of each."
    shown = " and ".join(
        f"{group.mean(score):.4f}" + ("" if spread is None else f" ± {spread:.4f}")
        + f" ({len(group.runs)})"
        for group in pair
        for spread in [group.spread(score)]
    )  # fmt: skip
    apart = max(best) < min(following) or min(best) > max(following)
    chance = 2 / math.comb(len(best) + len(following), len(best))
    told = (
        f"every seed of one is better than every seed of the other, which seeds alone do in "
        f"{chance:.0%} of cases"
        if apart
        else "their seeds overlap, so that seeds alone could explain it"
    ).replace("%", " %")
    return f"Over seeds: {shown}; {told}."


def _range(bounds: tuple[float, float] | None, sign: str = "") -> str:
    if bounds is None:
        return ""
    low, high = bounds
    return f"{low:{sign}.3f} to {high:{sign}.3f}" if sign else f"{low:.3f}–{high:.3f}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", no_wrap=name in _WHOLE, overflow="fold")
    return table
