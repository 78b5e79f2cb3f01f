"""Compare runs on the same images, from their folders alone."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from covseg.config.compare import Compare
from covseg.csv_files import read_columns, write_csv
from covseg.data import findings
from covseg.data.copies import families
from covseg.data.findings import COPIES
from covseg.data.index import Key
from covseg.errors import ConfigError, RunError, setting
from covseg.files import write_whole
from covseg.measure.comparison import SEED, ComparedRun, Comparison, Group
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.report.best_effort import best_effort
from covseg.report.comparison.page import page
from covseg.report.comparison.table import comparison_tables
from covseg.report.table import show
from covseg.run.folder.json_file import json_value
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import SweepFolder
from covseg.run.verbs.compared_images import differing_images, trained_in

log = logging.getLogger(__name__)

_ELSEWHERE = ("resume", "tags", "logger", "callbacks", "run", "data.cache_dir", "data.num_workers")


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
        _check_same(folders[0], records[0], folder, of_run)
    targets = dict.fromkeys(records[0].target.tolist())
    comparisons = [_comparison(folders, records, target) for target in targets]
    for comparison in comparisons:
        show(comparison_tables(comparison))
    columns = ["target", "run", "score", "value", "low", "high", "sd_over_seeds"]
    columns += ["difference", "difference_low", "difference_high", "share_of_resamples_better"]
    write_csv(out / "compare.csv", columns, [row for of in comparisons for row in _rows(of)])
    by_name = {_name(folder, folders): folder for folder in folders}
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


def _check_same(one: RunFolder, first: Records, other: RunFolder, second: Records) -> None:
    """Refuse runs of different images, targets or truths.

    Raises:
        RunError: names the images that differ.
    """
    targets, others = (sorted(set(r.target.tolist())) for r in (first, second))
    if targets != others:
        raise RunError(
            other,
            f"has the targets {', '.join(others)}, and {one} has {', '.join(targets)}",
            "compare runs with the same targets",
        )
    ours, theirs = (
        {_key(r, n): r.values[n, :2].tolist() for n in range(len(r.name))} for r in (first, second)
    )
    apart = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if apart:
        few = ", ".join("/".join(key[:3]) for key in apart[:3])
        raise RunError(
            other,
            f"was scored on other images or masks than {one}: {len(apart):,} differ, such as {few}",
            "compare runs that report the same split or fold of the same data",
        )


def _key(records: Records, n: int) -> tuple[str, ...]:
    columns = (records.split, records.patient_class, records.name, records.target)
    return tuple(str(column[n]) for column in columns)


def _comparison(
    folders: Sequence[RunFolder], records: Sequence[Records], target: str
) -> Comparison:
    of_target = [r.where(r.target == target) for r in records]
    runs = []
    for folder, of_run in zip(folders, of_target, strict=True):
        min_pixels = json_value(folder.summary, "detection_min_pixels")
        counts = of_run.counts(min_pixels if isinstance(min_pixels, int) else 1)
        settings = dict(_settings(folder))
        trained = RunFolder(trained_in(folder)[0])
        parameters = json_value(trained.provenance, "parameters")
        runs.append(
            ComparedRun(
                name=_name(folder, folders),
                settings=settings,
                counts=counts,
                metrics=read_columns(trained.metrics, "copy the file again, or remove it"),
                seconds=trained.seconds,
                parameters=parameters if isinstance(parameters, int) else None,
            )
        )
    groups: dict[tuple[tuple[str, str], ...], list[ComparedRun]] = {}
    for run in runs:
        same = tuple(sorted((k, v) for k, v in run.settings.items() if k != SEED))
        while run.settings[SEED] in {other.settings[SEED] for other in groups.get(same, [])}:
            same = (*same, (SEED, run.settings[SEED]))  # the same once more is no other seed
        groups.setdefault(same, []).append(run)
    split = " and ".join(sorted(set(of_target[0].split.tolist())))
    first, grouped = of_target[0], [Group(of) for of in groups.values()]
    labels = _families(folders, first.keys)
    return Comparison(target, split, grouped, first.keys, first.patient_class, labels)


def _name(folder: RunFolder, folders: Sequence[RunFolder]) -> str:
    """The name of a run's folder, with the one above where others have the same."""
    alone = sum(other.path.name == folder.path.name for other in folders) == 1
    return folder.path.name if alone else f"{folder.path.parent.name}/{folder.path.name}"


def _settings(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """What may explain a score, by dotted keys."""

    def flat(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
        for key, value in values.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{above}{key}.")
            else:
                yield f"{above}{key}", "null" if value is None else str(value)

    values = folder.read_config()
    if "protocol" not in values and "run" in values:  # of an evaluation: as its run, but for these
        own = RunFolder(values["run"]).read_config()
        protocol = own["protocol"]
        asked = {
            key: values[key]
            for key in ("checkpoint", "threshold", "detection_min_pixels")
            if values.get(key) is not None and values[key] != protocol.get(key)
        }
        values = {**own, "evaluate": asked}
    for key, value in flat(values, ""):
        if not any(key == other or key.startswith(f"{other}.") for other in _ELSEWHERE):
            yield key, value


def _families(folders: Sequence[RunFolder], keys: Sequence[Key]) -> list[int] | None:
    """A number for each image, equal for copies, from the first run that knows them."""
    known = next((folder.findings for folder in folders if folder.findings.exists()), None)
    if known is None:
        return None
    number: dict[Key, int] = {key: n for n, key in enumerate(keys)}
    pairs = [
        (number.setdefault(f.a, len(number)), number.setdefault(f.b, len(number)))
        for f in findings.read(known)
        if f.kind in COPIES and f.b is not None
    ]
    label = np.arange(len(number))
    for family in families(pairs):
        label[family] = family[0]
    return [int(n) for n in label[: len(keys)]]


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
