"""Explore a dataset: its counts, its findings, what leaks, and what gives classes away."""

import logging
import time
from pathlib import Path

import numpy as np

from covseg.config.explore import Explore
from covseg.data import findings
from covseg.data.audit.border import borders
from covseg.data.audit.duplicates import Lookalike, disagreements, duplicates, of_pairs
from covseg.data.audit.files import audit
from covseg.data.audit.mean_masks import mean_mask
from covseg.data.audit.statistics import Statistics, statistics
from covseg.data.copies import Copies, families
from covseg.data.division import folds
from covseg.data.findings import COPIES, Finding
from covseg.data.index import LUNG
from covseg.data.layouts.covid_qu_ex.rows import lung_tree_counts
from covseg.data.layouts.table import write_table
from covseg.data.listing import Listing
from covseg.data.opening import list_data
from covseg.data.store import Store
from covseg.errors import DataError
from covseg.measure.shortcuts import Shortcut, shortcut
from covseg.report.data_sentences import sentences
from covseg.report.exploration.page import Origin, write_page
from covseg.report.exploration.result import OF_BORDER, OF_IMAGE, Exploration
from covseg.report.exploration.tables import write_tables
from covseg.report.findings_table import ImageCounts, print_findings
from covseg.run.folder.history import write_provenance
from covseg.run.folder.provenance import provenance

log = logging.getLogger(__name__)


def explore(config: Explore, out: Path, command: str) -> None:
    """Write ``findings.csv``, tables, figures and a page, and print a summary.

    Raises:
        CovsegError: the data is missing, nothing of it can be used, or ``out`` is full.
    """
    began = time.monotonic()
    listing = list_data(config.data)
    result = audit(listing, config.data.cache_dir)
    store = result.store
    log.info("%d images of %s", len(store.index.rows), listing.source.path)
    for sentence in sentences(listing, store):
        log.info(sentence)
    if not listing.index.tree:
        write_table(listing, out / "table.csv")
    compared = duplicates(store.images)
    pairs = compared.pairs
    all_findings = [
        *result.findings,
        *of_pairs(pairs, store.index.rows),
        *disagreements(pairs, store),
    ]
    findings.write(all_findings, out / "findings.csv")
    findings.write(all_findings, findings.cached(config.data.cache_dir, store.fingerprint))
    notes = provenance(command, 0, 1)
    exploration = _exploration(listing, store, all_findings, compared.nearest)
    write_tables(exploration, out / "tables")
    made_up = config.data.root is None and config.data.phantom is not None
    version = notes["versions"]["covseg"]
    write_page(
        exploration,
        Origin(made_up, listing.source.path.name, command, version, notes["started"]),
        out,
    )
    notes |= {
        "data": {"root": str(config.data.root), **store.facts()},
        "families": len(exploration.families),
        "seconds": round(time.monotonic() - began, 1),
        "finished": True,
    }
    write_provenance(notes, out / "provenance.json")
    print_findings(exploration.trees[0], all_findings, len(exploration.families), out)


def _exploration(
    listing: Listing, store: Store, all_findings: list[Finding], nearest: list[Lookalike]
) -> Exploration:
    described, index = statistics(store), store.index
    copies = Copies(store.index, tuple(one for one in all_findings if one.kind in COPIES))
    return Exploration(
        store=store,
        findings=all_findings,
        families=families(copies.pairs()),
        nearest=nearest,
        lung_tree=_lung_tree(listing),
        statistics=described,
        mean_masks={split: mean_mask(store, index.of_split(split)) for split in index.splits},
        shortcuts=_shortcuts(store, described, copies),
    )


def _lung_tree(listing: Listing) -> ImageCounts | None:
    if not listing.index.tree:
        return None
    try:
        return lung_tree_counts(listing.source)
    except DataError as error:  # explore is about the other tree
        log.warning("the lung tree is not counted: %s", error)
        return None


def _shortcuts(store: Store, described: Statistics, copies: Copies) -> dict[str, Shortcut | None]:
    rows = store.index.rows
    classes = np.array([row.patient_class for row in rows])
    fold = np.array(folds(copies))
    masked = np.array([LUNG in row.masks for row in rows])  # else nothing can be blanked
    of_border = shortcut(borders(store)[masked], classes[masked].tolist(), fold[masked].tolist())
    return {
        OF_IMAGE: shortcut(described.of_image, classes.tolist(), fold.tolist()),
        OF_BORDER: of_border,
    }
