"""The result of ``covseg.explore`` as CSV tables."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from covseg.csv_files import write_csv
from covseg.data.audit.statistics import NAMES
from covseg.data.findings import KINDS
from covseg.report.exploration.distributions import by_group
from covseg.report.exploration.result import Exploration
from covseg.report.meaning import MEANINGS

Cells = Sequence[object]


def write_tables(result: Exploration, folder: Path) -> None:
    """Write every table into ``folder``.

    Raises:
        RunError: one cannot be written.
    """
    tables = {
        "counts": (("tree", "split", "class", "images", "published"), _counts(result)),
        "statistics": (("split", "class", "name", *NAMES), _statistics(result)),
        "distributions": (
            ("statistic", "split", "class", "images", "p5", "p25", "p50", "p75", "p95"),
            _distributions(result),
        ),
        "shortcuts": (
            (
                *("seen", "images", "majority_share", "accuracy", "accuracy_low", "accuracy_high"),
                *("balanced_accuracy", "balanced_low", "balanced_high"),
            ),
            _shortcuts(result),
        ),
        "confusion": (("seen", "class", "taken_for", "images"), _confusion(result)),
        "families": (("family", "split", "class", "name"), _families(result)),
        "findings_by_kind": (("kind", "findings", "meaning"), _kinds(result)),
    }
    for name, (columns, rows) in tables.items():
        write_csv(folder / f"{name}.csv", columns, ([*map(_cell, row)] for row in rows))


def _cell(value: object) -> object:
    """A float with six significant digits, empty for NaN."""
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value


def _counts(result: Exploration) -> Iterator[Cells]:
    for tree in result.trees:
        for split, of_split in tree.counts.items():
            for name, n_images in of_split.items():
                published = tree.published[split].get(name, 0) if tree.published else ""
                yield tree.title, split, name, n_images, published


def _statistics(result: Exploration) -> Iterator[Cells]:
    for row, values in zip(result.store.index.rows, result.statistics.values, strict=True):
        yield *row.key, *values


def _distributions(result: Exploration) -> Iterator[Cells]:
    for name in NAMES:
        groups = by_group(result.statistics[name], result.store.index)
        for (split, patient_class), quantiles in groups.items():
            yield name, split, patient_class, *astuple(quantiles)


def _shortcuts(result: Exploration) -> Iterator[Cells]:
    for name, shortcut in result.shortcuts.items():
        if shortcut:
            yield (
                *(name, shortcut.n_images, shortcut.majority_share),
                *(shortcut.accuracy, *shortcut.accuracy_interval),
                *(shortcut.balanced_accuracy, *shortcut.balanced_interval),
            )


def _confusion(result: Exploration) -> Iterator[Cells]:
    for name, shortcut in result.shortcuts.items():
        if shortcut:
            for truth, line in zip(shortcut.classes, shortcut.confusion, strict=True):
                for predicted, n_images in zip(shortcut.classes, line, strict=True):
                    yield name, truth, predicted, int(n_images)


def _families(result: Exploration) -> Iterator[Cells]:
    rows = result.store.index.rows
    for number, family in enumerate(result.families, 1):
        yield from ((number, *rows[row].key) for row in family)


def _kinds(result: Exploration) -> Iterator[Cells]:
    n_of_kind = Counter(finding.kind for finding in result.findings)
    return ((kind, n_of_kind[kind], MEANINGS[kind].what) for kind in KINDS)
