"""What ``covseg.explore`` has found as CSV, for a spreadsheet."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from covseg.data.audit.statistics import NAMES
from covseg.data.findings import KINDS
from covseg.data.layout import PATIENT_CLASSES, PUBLISHED, PUBLISHED_LUNG, SPLITS, TREES
from covseg.files import write_whole
from covseg.report.exploration.distributions import by_group
from covseg.report.exploration.result import Counts, Exploration
from covseg.report.meaning import MEANINGS

Cells = Sequence[object]


def write_tables(found: Exploration, folder: Path) -> None:
    """Write every table into ``folder``.

    Raises:
        RunError: one cannot be written.
    """
    tables = {
        "counts": (("tree", "split", "class", "images", "published"), _counts(found)),
        "statistics": (("split", "class", "name", *NAMES), _statistics(found)),
        "distributions": (
            ("statistic", "split", "class", "images", "p5", "p25", "p50", "p75", "p95"),
            _distributions(found),
        ),
        "shortcuts": (
            (
                *("seen", "images", "majority_share", "accuracy", "accuracy_low", "accuracy_high"),
                *("balanced_accuracy", "balanced_low", "balanced_high"),
            ),
            _shortcuts(found),
        ),
        "confusion": (("seen", "class", "taken_for", "images"), _confusion(found)),
        "families": (("family", "split", "class", "name"), _families(found)),
        "findings_by_kind": (("kind", "findings", "meaning"), _kinds(found)),
    }
    for name, (head, rows) in tables.items():
        write_csv(folder / f"{name}.csv", head, rows)


def write_csv(path: Path, head: Cells, rows: Iterable[Cells]) -> None:
    """Write a table; a number has six digits, a missing one none."""
    table = io.StringIO(newline="")
    lines = csv.writer(table)
    lines.writerow(head)
    lines.writerows([_cell(value) for value in row] for row in rows)
    write_whole(path, table.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value


def _counts(found: Exploration) -> Iterator[Cells]:
    trees: list[tuple[str, Counts, Counts]] = [
        (TREES["infection"], found.store.index.counts(), PUBLISHED)
    ]
    if found.lung_tree is not None:
        trees.append((TREES["lung"], found.lung_tree, PUBLISHED_LUNG))
    for tree, counts, published in trees:
        for split in SPLITS:
            for patient_class in PATIENT_CLASSES:
                here = counts[split][patient_class], published[split][patient_class]
                yield tree, split, patient_class, *here


def _statistics(found: Exploration) -> Iterator[Cells]:
    for row, values in zip(found.store.index.rows, found.statistics.values, strict=True):
        yield *row.key, *values


def _distributions(found: Exploration) -> Iterator[Cells]:
    for name in NAMES:
        for (split, patient_class), cuts in by_group(
            found.statistics[name], found.store.index
        ).items():
            five = cuts.p5, cuts.p25, cuts.p50, cuts.p75, cuts.p95
            yield name, split, patient_class, cuts.n_images, *five


def _shortcuts(found: Exploration) -> Iterator[Cells]:
    for seen, shortcut in found.shortcuts.items():
        if shortcut:
            yield (
                *(seen, shortcut.n_images, shortcut.majority_share),
                *(shortcut.accuracy, *shortcut.accuracy_interval),
                *(shortcut.balanced_accuracy, *shortcut.balanced_interval),
            )


def _confusion(found: Exploration) -> Iterator[Cells]:
    for seen, shortcut in found.shortcuts.items():
        if shortcut:
            for one, line in zip(shortcut.classes, shortcut.confusion, strict=True):
                for other, n_images in zip(shortcut.classes, line, strict=True):
                    yield seen, one, other, int(n_images)


def _families(found: Exploration) -> Iterator[Cells]:
    rows = found.store.index.rows
    for number, family in enumerate(found.families, 1):
        yield from ((number, *rows[row].key) for row in family)


def _kinds(found: Exploration) -> Iterator[Cells]:
    numbers = Counter(finding.kind for finding in found.findings)
    return ((kind, numbers[kind], MEANINGS[kind].what) for kind in KINDS)
