"""One look at a dataset: its counts, its findings, and what of it leaks."""

import logging
import time
from pathlib import Path

from covseg.config import Explore
from covseg.data import findings
from covseg.data.audit import audit, disagreements
from covseg.data.copies import families
from covseg.data.duplicates import duplicates
from covseg.data.source import source_of
from covseg.report.findings_table import print_findings
from covseg.report.provenance import provenance, write_provenance

log = logging.getLogger(__name__)


def explore(config: Explore, out: Path) -> None:
    """Write ``findings.csv`` and print what it says.

    Raises:
        CovsegError: the data is not there, nothing of it can be used, or ``out`` is full.
    """
    began = time.monotonic()
    source = source_of(config.data)
    result = audit(source, config.data.cache_dir)
    store = result.store
    log.info("%d images of %s", len(store.index.rows), source.path)
    pairs = duplicates(store.images)
    found = [
        *result.findings,
        *findings.of_pairs(pairs, store.index.rows),
        *disagreements(pairs, store),
    ]
    findings.write(found, out / "findings.csv")
    findings.write(found, findings.cached(config.data.cache_dir, store.fingerprint))
    n_families = len(families(pair.rows for pair in pairs))
    notes = provenance("explore", 0, 1)
    notes |= {
        "data": {"root": str(config.data.root), **store.facts()},
        "families": n_families,
        "seconds": round(time.monotonic() - began, 1),
    }
    write_provenance(notes, out / "provenance.json")
    print_findings(store.index.counts(), found, n_families, out)
