"""The findings in a dataset as tables for the terminal, 80 columns wide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.layout import PUBLISHED, SPLITS
from covseg.report.meaning import MEANINGS
from covseg.report.table import show


def print_findings(
    counts: Mapping[str, Mapping[str, int]],
    findings: Sequence[Finding],
    n_families: int,
    out: Path,
) -> None:
    """Print the tables and the path of the page to stdout."""
    show(findings_tables(counts, findings, n_families), f"page: {out / 'explore.html'}")


def findings_tables(
    counts: Mapping[str, Mapping[str, int]], findings: Sequence[Finding], n_families: int
) -> RenderableType:
    """Images by split and class, findings by kind, and pairs of copies by their splits."""
    parts: list[RenderableType] = [Text(), _counts(counts)]
    if counts != PUBLISHED:
        parts.append(Text("the counts differ from the published ones (in parentheses)"))
    parts += [Text(), _kinds(findings) if findings else Text("no findings")]
    if copies := [finding for finding in findings if finding.kind in COPIES]:
        n_leaks = sum(finding.is_leak for finding in copies)
        title = f"{len(copies)} pairs of copies in {n_families} families; {n_leaks} across splits"
        parts += [Text(), Text(title, style="bold"), _copies(copies)]
    return Group(*parts, Text())


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Table:
    classes = list(counts[SPLITS[0]])
    table = _table("images", *classes, "all")
    for split in SPLITS:
        cells = [_count(counts[split][c], PUBLISHED[split].get(c, 0)) for c in classes]
        total = _count(sum(counts[split].values()), sum(PUBLISHED[split].values()))
        table.add_row(split, *cells, total)
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


def _copies(copies: Sequence[Finding]) -> Table:
    table = _table("pairs between", *SPLITS)
    n_pairs = Counter(frozenset({f.a[0], f.b[0]}) for f in copies if f.b)
    for number, split in enumerate(SPLITS):
        cells = [f"{n_pairs[frozenset({split, other})]:,}" for other in SPLITS[: number + 1]]
        table.add_row(split, *cells)
    return table
