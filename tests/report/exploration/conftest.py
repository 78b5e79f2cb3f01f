"""A small phantom dataset that was explored, with findings of every kind."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from covseg.config.data import SPLITS
from covseg.data.audit.border import borders
from covseg.data.audit.mean_masks import mean_mask
from covseg.data.audit.statistics import statistics
from covseg.data.copies import Copies
from covseg.data.division import folds
from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.phantom.dataset import write
from covseg.data.store import Store
from covseg.measure.shortcuts import shortcut
from covseg.report.exploration.page import Origin
from covseg.report.exploration.result import Exploration
from listings import opened

PAIRS = (*COPIES, "masks_disagree", "patient_in_splits")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    root = tmp_path_factory.mktemp("phantom")
    write(root, 0, {"Train": 16, "Val": 8, "Test": 8}, size=64)
    return opened(root, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def every_kind(store: Store) -> list[Finding]:
    """One finding of each kind; the pairs are of Train and Test."""
    rows = store.index.rows
    one = next(row.key for row in rows if row.key[:2] == ("Train", "COVID-19"))
    other = next(row.key for row in rows if row.key[:2] == ("Test", "COVID-19"))
    return [
        Finding(kind, one, other, 0.98) if kind in PAIRS else Finding(kind, one, value="masks: so")
        for kind in KINDS
    ]


@pytest.fixture(scope="session")
def explored() -> Callable[..., Exploration]:
    """A store and its findings -> the result of exploring it."""

    def make(store: Store, findings: list[Finding] = [], **more) -> Exploration:  # noqa: B006
        described, rows = statistics(store), store.index.rows
        classes, fold = [row.patient_class for row in rows], folds(Copies(store.index, ()))
        result = Exploration(
            store=store,
            findings=findings,
            families=[],
            nearest=[],
            lung_tree=None,
            statistics=described,
            mean_masks={s: mean_mask(store, store.index.of_split(s)) for s in SPLITS},
            shortcuts={
                "20 global statistics": shortcut(described.of_image, classes, fold),
                "the border alone": shortcut(borders(store), classes, fold),
            },
        )
        return replace(result, **more)

    return make


@pytest.fixture(scope="session")
def origin() -> Origin:
    return Origin(False, "archive.zip", "covseg.explore", "0.1.0", "2026-01-31T12:00:00+00:00")


@pytest.fixture(scope="session")
def some_rows() -> Callable[[Store, list[int]], Store]:
    """A store with only some of its rows, in memory."""
    return lambda store, rows: replace(
        store,
        index=replace(store.index, rows=tuple(store.index.rows[row] for row in rows)),
        images=[store.images[row] for row in rows],
        masks={name: [of[row] for row in rows] for name, of in store.masks.items()},
        home=None,
    )
