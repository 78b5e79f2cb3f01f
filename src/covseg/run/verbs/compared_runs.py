"""Runs to compare: read from their folders, held against each other, grouped by configuration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from covseg.config.data import SPLITS
from covseg.csv_files import read_columns
from covseg.data import findings
from covseg.data.copies import families
from covseg.data.findings import COPIES
from covseg.data.index import Key
from covseg.data.layouts.table import same_patients
from covseg.errors import RunError
from covseg.measure.comparison import SEED, ComparedRun, Comparison, Group
from covseg.measure.records import Records
from covseg.run.folder.json_file import json_value
from covseg.run.folder.older import updated
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.compared_images import trained_in

# what changes no result
_ELSEWHERE = (
    *("resume", "tags", "logger", "run", "data.cache_dir", "data.num_workers"),
    *("callbacks.pictures", "callbacks.checkpoint_every_n_steps"),
)


def comparison_of(
    folders: Sequence[RunFolder], records: Sequence[Records], target: str
) -> Comparison:
    """The comparison of a target.

    Args:
        folders: of the runs, the reference first.
        records: of each run, of the same images.
        target: that the scores are of.
    """
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
                name=name_of(folder, folders),
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
    first, grouped = of_target[0], [Group(of) for of in groups.values()]
    split = json_value(folders[0].summary, "split")
    if split not in SPLITS:  # of folds, those on disk
        split = " and ".join(sorted(set(first.split.tolist())))
    labels = _families(folders, first.keys)
    return Comparison(target, split, grouped, first.keys, first.patient_class, labels)


def check_same(one: RunFolder, first: Records, other: RunFolder, second: Records) -> None:
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


def name_of(folder: RunFolder, folders: Sequence[RunFolder]) -> str:
    """The name of a run's folder, with the one above where others have the same."""
    alone = sum(other.path.name == folder.path.name for other in folders) == 1
    return folder.path.name if alone else f"{folder.path.parent.name}/{folder.path.name}"


def _key(records: Records, n: int) -> tuple[str, ...]:
    columns = (records.split, records.patient_class, records.name, records.target)
    return tuple(str(column[n]) for column in columns)


def _settings(folder: RunFolder) -> Iterator[tuple[str, str]]:
    """What may explain a score, by dotted keys."""

    def flat(values: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
        for key, value in values.items():
            if isinstance(value, Mapping):
                yield from flat(value, f"{above}{key}.")
            else:
                yield f"{above}{key}", "null" if value is None else str(value)

    values = updated(folder.read_config())
    if "protocol" not in values and "run" in values:  # of an evaluation: as its run, but for these
        several = isinstance(values["run"], list)
        own = updated(RunFolder(values["run"][0] if several else values["run"]).read_config())
        protocol = own["protocol"]
        asked = {
            key: values[key]
            for key in ("checkpoint", "threshold", "detection_min_pixels", "flips")
            if values.get(key) is not None and values[key] != protocol.get(key)
        }
        if several:
            asked["runs"] = len(values["run"])
        values = {**own, "evaluate": asked}
    for key, value in flat(values, ""):
        if not any(key == other or key.startswith(f"{other}.") for other in _ELSEWHERE):
            yield key, value


def _families(folders: Sequence[RunFolder], keys: Sequence[Key]) -> list[int] | None:
    """A number for each image, equal for copies and patients, from the first run that knows."""
    known = next((folder.findings for folder in folders if folder.findings.exists()), None)
    table = next((folder.table for folder in folders if folder.table.exists()), None)
    copies = [] if known is None else findings.read(known)
    linked = [(f.a, f.b) for f in copies if f.kind in COPIES and f.b is not None]
    linked += [] if table is None else same_patients(table)
    if known is None and not linked:
        return None
    number: dict[Key, int] = {key: n for n, key in enumerate(keys)}
    pairs = [
        (number.setdefault(one, len(number)), number.setdefault(other, len(number)))
        for one, other in linked
    ]
    label = np.arange(len(number))
    for family in families(pairs):
        label[family] = family[0]
    return [int(n) for n in label[: len(keys)]]
