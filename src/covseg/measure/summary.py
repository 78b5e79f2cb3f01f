"""The summary of a run: every score with its interval, by class, and of the baselines."""

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from covseg.data.index import Key
from covseg.files import write_whole
from covseg.measure.intervals import intervals
from covseg.measure.operating_point import OperatingPoint
from covseg.measure.records import Records
from covseg.measure.scores import OBJECTIVE, SCORES, Score
from covseg.measure.severity import Severity

Summary = dict[str, Any]


def summarise(
    records: Records,
    baselines: Mapping[str, Records],
    *,
    point: OperatingPoint,
    objective: float | None,
    families: Mapping[Key, int] | None = None,
    leaks: Set[Key] | None = None,
    scores: Mapping[str, Score] = SCORES,
    targets: Sequence[str] = (),
) -> Summary:
    """The content of ``summary.json``.

    Args:
        records: of the reported images, with one or several targets.
        baselines: records of the same images, by baseline.
        point: threshold of the records, and pixels for an image to be called infected.
        objective: ``rmse_per_image`` on Val; None if nothing is chosen on Val.
        families: a number for each image, equal for copies; None if copies are not known.
        leaks: images with a copy among the fitted ones; None if copies are not known.
        scores: by name.
        targets: the order in which they stand there, the one that chooses first; as in the records
            if it is not given.
    """

    def summary_of(of: Records, of_baselines: Mapping[str, Records]) -> Summary:
        return _summary(of, of_baselines, point.detection_min_pixels, families, scores)

    targets = targets or list(dict.fromkeys(records.target.tolist()))
    parts = {}
    for target in targets:
        of_target = records.where(records.target == target)
        of_baselines = {name: r.where(r.target == target) for name, r in baselines.items()}
        parts[target] = summary_of(of_target, of_baselines)
        parts[target]["without_leaks"] = None
        if leaks is not None:
            of_baselines = {name: r.without(leaks) for name, r in of_baselines.items()}
            parts[target]["without_leaks"] = summary_of(of_target.without(leaks), of_baselines)
    head: Summary = {
        "threshold": point.threshold,
        "detection_min_pixels": point.detection_min_pixels,
        **({} if point.chosen_on is None else {"chosen_on": point.chosen_on}),
        "objective": None if objective is None else {"name": OBJECTIVE, "value": objective},
    }
    if len(targets) == 1:
        return {**head, **parts[targets[0]]}
    severity = Severity.of(records)
    of_severity = {} if severity is None else {"severity": severity.summary(families)}
    return {**head, "targets": parts, **of_severity}


def _summary(
    records: Records,
    baselines: Mapping[str, Records],
    detection_min_pixels: int,
    families: Mapping[Key, int] | None,
    scores: Mapping[str, Score],
) -> Summary:
    classes = np.unique(records.patient_class).tolist()

    def by_class(of: Records, values: Any) -> Summary:
        return {name: values(of.where(of.patient_class == name)) for name in classes}

    def plain(of: Records) -> dict[str, float | None]:
        counts = of.counts(detection_min_pixels)
        return {name: score(counts) for name, score in scores.items()}

    def full(of: Records) -> Summary:
        counts = of.counts(detection_min_pixels)
        of_families = None if families is None else [families[key] for key in of.keys]
        bounds = intervals(scores, counts, of.patient_class, of_families)
        entries = {}
        for name, value in plain(of).items():
            low, high = bounds[name] or (None, None)
            entries[name] = {"value": value, "low": low, "high": high}
        return entries

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


def by_target(summary: Summary) -> dict[str, Summary]:
    """The part of each target; with a single target, the summary itself under the name ``""``."""
    parts: dict[str, Summary] = summary.get("targets", {"": summary})
    return parts


def flat_scores(summary: Summary) -> dict[str, float]:
    """The defined scores by their names in loggers, e.g. ``Test/rmse_per_image``."""
    return {
        "/".join(filter(None, (summary["split"], target, name))): entry["value"]
        for target, part in by_target(summary).items()
        for name, entry in part["scores"].items()
        if entry["value"] is not None
    }


def n_leaks(part: Summary) -> int:
    """How many images of a target's part were fitted on, themselves or in a copy; 0 if unknown."""
    rest: Summary = part.get("without_leaks") or part
    return int(part["n_images"] - rest["n_images"])


def write_summary(summary: Summary, path: Path) -> None:
    """Write as JSON; an undefined score is null."""
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text + "\n")
