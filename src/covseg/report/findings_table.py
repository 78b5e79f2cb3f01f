"""What is wrong with a dataset as tables on the terminal, 80 columns wide."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.layout import PATIENT_CLASSES, PUBLISHED, SPLITS
from covseg.report.meaning import MEANINGS
from covseg.report.table import show


def print_findings(
    counts: Mapping[str, Mapping[str, int]],
    found: Sequence[Finding],
    n_families: int,
    where: object,
) -> None:
    """Print the tables and the folder to stdout, as far as somebody reads them."""
    show(findings_tables(counts, found, n_families), f"page: {where}/explore.html")


def findings_tables(
    counts: Mapping[str, Mapping[str, int]], found: Sequence[Finding], n_families: int
) -> RenderableType:
    """Images by split and class, findings by kind, copies by the splits that they join."""
    parts: list[RenderableType] = [Text(), _counts(counts)]
    if counts != PUBLISHED:
        parts.append(Text("not the counts that the authors publish, which stand in brackets"))
    parts += [Text(), _kinds(found) if found else Text("no finding")]
    if copies := [finding for finding in found if finding.kind in COPIES]:
        n_leaks = sum(finding.is_leak for finding in copies)
        says = f"{len(copies)} pairs of copies in {n_families} families; {n_leaks} across splits"
        parts += [Text(), Text(says, style="bold"), _copies(copies)]
    return Group(*parts, Text())


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    return table


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Table:
    table = _table("images", *PATIENT_CLASSES, "all")
    for split in SPLITS:
        cells = [_count(counts[split][c], PUBLISHED[split][c]) for c in PATIENT_CLASSES]
        total = _count(sum(counts[split].values()), sum(PUBLISHED[split].values()))
        table.add_row(split, *cells, total)
    return table


def _count(here: int, published: int) -> str:
    return f"{here:,}" if here == published else f"{here:,} ({published:,})"


def _kinds(found: Sequence[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("finding", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("which is", ratio=1)
    numbers = Counter(finding.kind for finding in found)
    for kind in KINDS:
        if numbers[kind]:
            table.add_row(kind, f"{numbers[kind]:,}", MEANINGS[kind].what)
    return table


def _copies(copies: Sequence[Finding]) -> Table:
    table = _table("pairs between", *SPLITS)
    places = Counter(frozenset({f.a[0], f.b[0]}) for f in copies if f.b)
    for number, split in enumerate(SPLITS):
        cells = [f"{places[frozenset({split, other})]:,}" for other in SPLITS[: number + 1]]
        table.add_row(split, *cells)
    return table
