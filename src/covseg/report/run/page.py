"""The result of a run as a self-contained HTML page."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.csv_files import read_columns
from covseg.data.layouts.covid_qu_ex.names import classes_of
from covseg.files import write_whole
from covseg.measure.conventions import CONVENTIONS
from covseg.measure.lesion_size import SizeGroup, size_groups
from covseg.measure.scores import Score
from covseg.measure.summary import Summary, by_target, n_leaks
from covseg.report.html.environment import environment
from covseg.report.result import RunResult
from covseg.report.run.figure_list import (
    curve_figures,
    reported_epoch,
    severity_figures,
    svg_figures,
    target_figures,
)
from covseg.report.run.gallery import Picture, galleries
from covseg.report.run.headlines import headlines
from covseg.report.run.published import RESULTS, is_official_test
from covseg.report.run.score_rows import ScoreRow, baselines_of, best_baseline, score_rows
from covseg.report.table import four_decimals


@dataclass(frozen=True)
class TargetPart:
    """What the page shows of a target."""

    name: str
    summary: Summary
    rows: list[ScoreRow]
    baselines: list[str]
    headlines: list[str]
    figures: Mapping[str, list[str]]  # SVG elements by section
    sizes: list[SizeGroup]
    galleries: Mapping[str, list[Picture]]
    conventions: Mapping[str, tuple[str, float, float]]  # meaning, Dice and IoU
    n_leaks: int  # images that were fitted on, themselves or in a copy
    choice: float | None  # threshold that the selecting split would choose
    at_choice: Mapping[str, float | None]  # the scores there


def write_page(result: RunResult, scores: Mapping[str, Score]) -> None:
    """Write ``report.html``.

    Raises:
        RunError: it cannot be written.
    """
    write_whole(result.folder / "report.html", page(result, scores))


def page(result: RunResult, scores: Mapping[str, Score]) -> str:
    """The page as HTML, from the result and the files of its folder."""
    provenance = _json(result.folder / "provenance.json")
    trained = result.checkpoint.parents[1]
    metrics = read_columns(trained / "metrics.csv", "remove it")
    reported = reported_epoch(
        metrics, result.checkpoint.name, result.monitor, scores[result.monitor].low_is_good
    )
    data = provenance.get("data", {})
    parts = [_part(result, target, of, scores) for target, of in by_target(result.summary).items()]
    infection = next((part.summary for part in parts if part.name == "infection"), None)
    official = is_official_test(result.split, infection, data.get("fingerprint"))
    jinja = environment("covseg.report.run")
    jinja.filters |= {"score": four_decimals, "interval": _interval, "defined": _defined}
    return jinja.get_template("run.html").render(
        result=result,
        name=_name(trained),
        evaluated=trained.resolve() != result.folder.resolve(),
        parts=parts,
        scores=scores,
        best_baseline=best_baseline,
        severity=result.summary.get("severity"),
        severity_figures=svg_figures(severity_figures(result.records), "severity").get(
            "severity", []
        ),
        validated=any(any(metrics[name]) for name in metrics if name.startswith("val/")),
        curves=svg_figures(curve_figures(metrics, reported), "run").get("curves", []),
        published=RESULTS if official else [],
        classes=classes_of(result.records.patient_class.tolist()),
        provenance=provenance,
        data_root=Path(str(data.get("root"))).name,
        made_up=data.get("root") in {None, "None"},
        covid_qu_ex=data.get("tree", "infection") != "",
        config=_text(trained / "config.yaml"),
    )


def _part(
    result: RunResult, target: str, summary: Summary, scores: Mapping[str, Score]
) -> TargetPart:
    name = target or next(iter(result.histograms))
    records = result.records.where(result.records.target == name)
    sizes = size_groups(records, result.summary["detection_min_pixels"], result.families)
    counts, choice = records.counts(), result.choice(name)
    rest = summary.get("without_leaks") or summary
    n_leaking = n_leaks(summary)
    return TargetPart(
        name=name,
        summary=summary,
        rows=score_rows(summary, rest if n_leaking else None, scores),
        baselines=list(baselines_of(summary).values()),
        headlines=headlines(result, name, summary),
        figures=svg_figures(target_figures(result, name, records, sizes), name),
        sizes=sizes,
        galleries=galleries(result, name, records),
        conventions={
            key: (way.meaning, way.dice(counts), way.iou(counts))
            for key, way in CONVENTIONS.items()
        },
        n_leaks=n_leaking,
        choice=choice,
        at_choice={} if choice is None else result.thresholds[result.split, name].at(choice),
    )


def _name(folder: Path) -> str:
    """The name of a run folder, with that of its sweep where it is the number of a job."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.isdigit() else path.name


def _json(path: Path) -> dict[str, Any]:
    values = json.loads(_text(path) or "{}")
    return values if isinstance(values, dict) else {}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _interval(entry: Mapping[str, float | None]) -> str:
    low, high = entry["low"], entry["high"]
    return "" if low is None or high is None else f"{low:.3f}–{high:.3f}"


def _defined(value: float) -> str:
    return four_decimals(None if math.isnan(value) else value)
