"""The findings in a dataset as tables for the terminal, 80 columns wide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.index import UNCLASSED
from covseg.report.meaning import MEANINGS
from covseg.report.table import WIDTH, show

ImageCounts = Mapping[str, Mapping[str, int]]  # split -> class -> images


@dataclass(frozen=True)
class Tree:
    """The numbers of images in a dataset, or in one of its trees, with the published ones."""

    title: str
    counts: ImageCounts
    published: ImageCounts | None  # None of other data than COVID-QU-Ex


def print_findings(images: Tree, findings: Sequence[Finding], n_families: int, out: Path) -> None:
    """Print the tables and the path of the page to stdout."""
    show(findings_tables(images, findings, n_families), f"page: {out / 'explore.html'}")


def findings_tables(images: Tree, findings: Sequence[Finding], n_families: int) -> RenderableType:
    """Images by split and class, findings by kind, and pairs of copies by their splits."""
    parts: list[RenderableType] = [Text(), _counts(images)]
    if images.published is not None and images.published != images.counts:
        parts.append(Text("the counts differ from the published ones (in parentheses)"))
    parts += [Text(), _kinds(findings) if findings else Text("no findings")]
    if copies := [finding for finding in findings if finding.kind in COPIES]:
        n_leaks = sum(finding.is_leak for finding in copies)
        title = f"{len(copies)} pairs of copies in {n_families} families; {n_leaks} across splits"
        parts += [Text(), Text(title, style="bold"), _copies(copies, list(images.counts))]
    return Group(*parts, Text())


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _counts(images: Tree) -> Table:
    counts, published = images.counts, images.published
    classes = [name for name in next(iter(counts.values())) if name != UNCLASSED]
    if published is None and sum(len(name) + 2 for name in ("images", *classes, "all")) > WIDTH:
        return _counts_of_many(counts, classes)
    table = _table("images", *classes, "all")
    for split, of_split in counts.items():
        expected = of_split if published is None else published[split]
        cells = [_count(of_split[name], expected.get(name, 0)) for name in classes]
        table.add_row(split, *cells, _count(sum(of_split.values()), sum(expected.values())))
    return table


def _counts_of_many(counts: ImageCounts, classes: Sequence[str]) -> Table:
    """A line for each class, where 80 columns do not hold a column for each."""
    table = _table("images", *counts, *["all"] * (len(counts) > 1))
    for title, names in (*((name, [name]) for name in classes), ("all", classes)):
        of_splits = [sum(of_split[name] for name in names) for of_split in counts.values()]
        table.add_row(
            title, *map("{:,}".format, [*of_splits, sum(of_splits)][: len(table.columns) - 1])
        )
    return table


def _count(n_images: int, published: int) -> str:
    return f"{n_images:,}" if n_images == published else f"{n_images:,} ({published:,})"


def _kinds(findings: Sequence[Finding]) -> Table:
    table = _table("finding", "")
    table.add_column("meaning", ratio=1)
    n_of_kind = Counter(finding.kind for finding in findings)
    for kind in KINDS:
        if n_of_kind[kind]:
            table.add_row(kind, f"{n_of_kind[kind]:,}", MEANINGS[kind].what)
    return table


def _copies(copies: Sequence[Finding], splits: Sequence[str]) -> Table:
    table = _table("pairs between", *splits)
    n_pairs = Counter(frozenset({f.a[0], f.b[0]}) for f in copies if f.b)
    for number, split in enumerate(splits):
        cells = [f"{n_pairs[frozenset({split, other})]:,}" for other in splits[: number + 1]]
        table.add_row(split, *cells)
    return table
