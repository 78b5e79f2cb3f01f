"""The summary of a run: every score with its interval, by class, beside the baselines."""

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np

from covseg.data.index import Key
from covseg.files import write_whole
from covseg.measure.intervals import intervals
from covseg.measure.records import Records
from covseg.measure.scores import OBJECTIVE, SCORES

Summary = dict[str, Any]


def summarise(
    records: Records,
    baselines: Mapping[str, Records],
    *,
    threshold: float,
    detection_min_pixels: int,
    objective: float | None,
    families: Mapping[Key, int] | None = None,
    leaks: Set[Key] | None = None,
) -> Summary:
    """What ``summary.json`` holds.

    Args:
        records: of the reported part, one or several targets.
        baselines: records of the same images by baseline.
        threshold: that the records were taken with.
        detection_min_pixels: predicted pixels from which on an image is called infected.
        objective: ``rmse_per_image`` on Val; None where nothing may be chosen by it.
        families: one number for images that are copies of each other; None where nobody knows.
        leaks: images with a copy among those that were fitted on; None where nobody knows.
    """
    targets = list(dict.fromkeys(records.target.tolist()))
    parts = {}
    for target in targets:
        of_target = records.where(records.target == target)
        trivial = {name: r.where(r.target == target) for name, r in baselines.items()}
        parts[target] = _summary(of_target, trivial, detection_min_pixels, families)
        parts[target]["without_leaks"] = None
        if leaks is not None:
            others = {name: r.without(leaks) for name, r in trivial.items()}
            rest = _summary(of_target.without(leaks), others, detection_min_pixels, families)
            parts[target]["without_leaks"] = rest
    head: Summary = {
        "threshold": threshold,
        "detection_min_pixels": detection_min_pixels,
        "objective": None if objective is None else {"name": OBJECTIVE, "value": objective},
    }
    return {**head, **parts[targets[0]]} if len(targets) == 1 else {**head, "targets": parts}


def _summary(
    records: Records,
    baselines: Mapping[str, Records],
    detection_min_pixels: int,
    families: Mapping[Key, int] | None,
) -> Summary:
    classes = np.unique(records.patient_class).tolist()

    def by_class(of: Records, values: Any) -> Summary:
        return {name: values(of.where(of.patient_class == name)) for name in classes}

    def plain(of: Records) -> dict[str, float | None]:
        counts = of.counts(detection_min_pixels)
        return {name: score(counts) for name, score in SCORES.items()}

    def full(of: Records) -> Summary:
        counts = of.counts(detection_min_pixels)
        together = None if families is None else [families[key] for key in of.keys]
        bounds = intervals(SCORES, counts, of.patient_class, together)
        return {
            name: {"value": value, "low": _at(bounds[name], 0), "high": _at(bounds[name], 1)}
            for name, value in plain(of).items()
        }

    return {
        "n_images": len(records.name),
        "n_positive": int(records.counts().positive.sum()),
        "scores": full(records),
        "by_class": by_class(records, full),
        "baselines": {
            name: {"scores": plain(of), "by_class": by_class(of, plain)}
            for name, of in baselines.items()
            if len(of.name)
        },
    }


def _at(interval: tuple[float, float] | None, place: int) -> float | None:
    return None if interval is None else interval[place]


def by_target(summary: Summary) -> dict[str, Summary]:
    """The part of each target: the summary itself under its only target's place ``""``."""
    parts: dict[str, Summary] = summary.get("targets", {"": summary})
    return parts


def flat_scores(summary: Summary) -> dict[str, float]:
    """The defined scores by one name each, for loggers: ``Test/rmse_per_image``."""
    return {
        "/".join(filter(None, (summary["split"], target, name))): entry["value"]
        for target, part in by_target(summary).items()
        for name, entry in part["scores"].items()
        if entry["value"] is not None
    }


def write_summary(summary: Summary, path: Path) -> None:
    """Write as JSON; an undefined score is null."""
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")
