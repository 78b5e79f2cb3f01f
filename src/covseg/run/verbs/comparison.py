"""Compare runs on the same images, from their folders alone."""

import logging
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from covseg.config.compare import Compare
from covseg.csv_files import write_csv
from covseg.errors import ConfigError, RunError, setting
from covseg.files import write_whole
from covseg.measure.comparison import Comparison
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.report.best_effort import best_effort
from covseg.report.comparison.page import page
from covseg.report.comparison.table import comparison_tables
from covseg.report.table import show
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.run.verbs.compared_images import differing_images
from covseg.run.verbs.compared_runs import check_same, comparison_of, name_of

log = logging.getLogger(__name__)


def compare(config: Compare, out: Path, command: str) -> None:
    """Print the comparison of each target, and write ``compare.csv`` and ``compare.html``.

    Raises:
        RunError: a run has no scores, or the runs are not of the same images.
        ConfigError: fewer than two runs, or the reference is none of them.
    """
    folders = list(_folders(config))
    if len(folders) < 2:
        raise ConfigError(setting("runs", config.runs), "is one run", "name two or more")
    records = [Records.read(folder.per_image) for folder in folders]
    for folder, of_run in zip(folders[1:], records[1:], strict=True):
        check_same(folders[0], records[0], folder, of_run)
    targets = dict.fromkeys(records[0].target.tolist())
    comparisons = [comparison_of(folders, records, target) for target in targets]
    for comparison in comparisons:
        show(comparison_tables(comparison))
    columns = ["target", "run", "score", "value", "low", "high", "sd_over_seeds"]
    columns += ["difference", "difference_low", "difference_high", "share_of_resamples_better"]
    write_csv(out / "compare.csv", columns, [row for of in comparisons for row in _rows(of)])
    by_name = {name_of(folder, folders): folder for folder in folders}
    with best_effort(f"{out / 'compare.html'}", "all scores are in compare.csv"):
        differing = differing_images(comparisons, by_name, config.trust)
        html = page(comparisons, differing, command, version("covseg"))
        write_whole(out / "compare.html", html)
    show(None, f"all scores and the page: {out}")


def _folders(config: Compare) -> Iterator[RunFolder]:
    """The run folders, the reference first; a sweep folder stands for its finished jobs.

    Raises:
        RunError: a folder has no scores, or a sweep no finished job.
        ConfigError: a folder is named twice, or the reference is none of them.
    """
    found: list[RunFolder] = []
    for path in config.runs:
        jobs = SweepFolder(path).jobs()
        finished = [job.run for job in jobs if job.status == "finished"]
        if jobs and not finished:
            raise RunError(path, "has no finished job", "name a sweep or run folders with scores")
        if len(finished) < len(jobs):
            log.warning("%d job(s) of %s are not finished", len(jobs) - len(finished), path)
        found += finished or [RunFolder(path)]
    names = [str(folder) for folder in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(setting("runs", config.runs), f"names {twice[0]} twice", "name it once")
    if config.reference is not None:
        if config.reference not in names:
            raise ConfigError(
                f"reference={config.reference}", "is none of the runs", "name one of runs="
            )
        found.insert(0, found.pop(names.index(config.reference)))
    for folder in found:
        if not folder.path.is_dir():
            raise RunError(folder, "does not exist", "name run folders with scores")
        if not folder.per_image.exists():
            raise RunError(folder, "has no per_image.csv", "name run folders with scores")
    yield from found


def _rows(comparison: Comparison) -> Iterator[list[Any]]:
    """Every score of every configuration, for the table on disk."""
    for group, bounds in zip(comparison.groups, comparison.bounds, strict=True):
        for score in SCORES:
            row = [comparison.target, group.name, score, group.mean(score)]
            row += [*(bounds[score] or (None, None)), group.spread(score)]
            difference = comparison.difference(score, group, comparison.reference)
            if group is not comparison.reference and difference is not None:
                row += [difference.difference, *difference.interval]
                row.append(difference.share_of_resamples_better)
            yield row + [None] * (11 - len(row))
