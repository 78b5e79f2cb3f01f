"""What is known of copies.

A dataset whose images were renamed, or another one, makes findings of no use.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from covseg.data import findings
from covseg.data.audit.files import audit
from covseg.data.findings import Finding
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex

TINY = ("train", "experiment=debug", "data=covid_qu_ex", "data.root=dataset")
GONE = ("Test", "Normal", "gone.png")


def all_of_val(path: Path) -> None:
    """Every image of Val has a copy in Test."""
    index = audit(
        covid_qu_ex(locate(path.with_name("dataset"))), path.with_name("cache")
    ).store.index
    val, test = index.of_split("Val"), index.of_split("Test")
    findings.write(
        (Finding("near_duplicate", index.rows[test[0]].key, index.rows[row].key) for row in val),
        path,
    )


FILES: dict[str, Callable[[Path], object]] = {
    "findings that do not exist": lambda path: None,
    "a folder in place of findings": Path.mkdir,
    "another table in place of findings": lambda path: path.write_text("name,split\n"),
    "findings cut short": lambda path: path.write_text(
        ",".join(findings.COLUMNS) + "\nexact_duplicate,Train,Nor"
    ),
    "findings of another dataset": lambda path: findings.write(
        [Finding("exact_duplicate", GONE, GONE)], path
    ),
    "copies of every selecting image": all_of_val,
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_file(make, dataset, said, tmp_path):
    make(tmp_path / "findings.csv")
    said.refused(*TINY, "data.exclude=findings.csv")


def test_folds_of_data_that_was_not_explored(dataset, said):
    said.refused(*TINY, "protocol=kfold", "data.fold=1")


def test_what_explore_found_is_damaged(dataset, said, phantom_cache):
    store = audit(covid_qu_ex(locate(dataset)), phantom_cache).store
    path = findings.cached(phantom_cache, store.fingerprint)
    path.write_text("nothing")
    try:
        said.refused(*TINY)
    finally:
        path.unlink()


def test_a_split_of_a_run_with_folds(dataset, said, verb, phantom_cache):
    store = audit(covid_qu_ex(locate(dataset)), phantom_cache).store
    path = findings.cached(phantom_cache, store.fingerprint)
    findings.write([], path)
    words = ("protocol=kfold", "data.fold=1", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert verb(*TINY, *words).code == 0
    path.unlink()
    said.refused("evaluate", "run=run", "split=Test")
