"""The Markdown document of the scores of runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from covseg.measure.scores import SCORES
from covseg.measure.summary import n_leaks
from covseg.report.results.reported_run import ReportedRun
from covseg.report.run.published import (
    PER_IMAGE,
    RESULTS,
    PublishedResult,
    is_official_test,
)
from covseg.report.run.score_rows import baselines_of
from covseg.report.table import four_decimals

# each with the scores that can be compared with one another
_AVERAGES = {
    "Positive images, mean over images": ("dice_positive", "iou_positive"),
    "All images, empty on empty counts as 1": ("dice_all", "iou_all"),
    "All pixels together": ("dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled"),
    "Errors of the probability": ("rmse_per_image", "rmse_pooled", "mae"),
    "Detection": (
        *("detection_sensitivity", "detection_specificity"),
        *("miss_rate", "false_alarm_rate"),
    ),
}
_WITHOUT = ("dice_positive", "iou_positive", "dice_all", "iou_all", "rmse_per_image", "mae")


def document(runs: Sequence[ReportedRun], target: str, command: str) -> str:
    """The document.

    Args:
        runs: of the same images.
        target: that the scores are of.
        command: that asked for it.
    """
    jinja = Environment(
        loader=PackageLoader("covseg.report.results"),
        autoescape=False,  # noqa: S701  Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    first, split = runs[0].parts[target], runs[0].split
    infection = first if target == "infection" else None
    official = is_official_test(split, infection, runs[0].fingerprint)
    return jinja.get_template("results.md").render(
        runs=runs,
        table_of_runs=_table_of_runs(runs),
        sections=[
            (title, names, _table_of_scores(runs, target, names, official=official))
            for title, names in _AVERAGES.items()
        ],
        table_without_leaks=_table_without_leaks(runs, target),
        unknown=[run.name for run in runs if not run.parts[target].get("without_leaks")],
        leaking=any(n_leaks(run.parts[target]) for run in runs),
        first=first,
        target=target,
        command=command,
        split=split,
        official=official,
        mae_of_nothing=four_decimals(first["baselines"]["predict_nothing"]["scores"]["mae"]),
    )


def _table_of_runs(runs: Sequence[ReportedRun]) -> str:
    columns = ["run", "network", "parameters", "pixels", "protocol", "seed", "epochs", "precision"]
    rows = []
    for run in runs:
        config, parameters = run.config, run.provenance.get("parameters")
        rows.append(
            [
                *(f"`{run.name}`", run.network, f"{parameters:,}" if parameters else "–"),
                *(config.data.image_size, run.protocol, config.seed),
                *(config.trainer.max_epochs, config.trainer.precision, run.threshold),
                *(run.hardware, _minutes(run.provenance.get("seconds"))),
            ]
        )
    return _table([*columns, "threshold", "trained on", "wall time"], rows)


def _table_of_scores(
    runs: Sequence[ReportedRun], target: str, names: Sequence[str], *, official: bool
) -> str:
    """Baselines, published results that may stand there, and the runs."""
    first = runs[0].parts[target]
    rows: list[list[Any]] = [
        [f"*{label}*", *(four_decimals(first["baselines"][key]["scores"][name]) for name in names)]
        for key, label in baselines_of(first).items()
    ]
    for result in _published(names) if official else []:
        work = f"[{result.work}]({result.url}): {result.network}"
        rows.append([work, f"{result.dice:.3f}", f"{result.iou:.3f}"])
    for run in runs:
        scores = run.parts[target]["scores"]
        rows.append([f"`{run.name}`", *(_interval(scores[name]) for name in names)])
    return _table(["", *map(_title, names)], rows)


def _table_without_leaks(runs: Sequence[ReportedRun], target: str) -> str:
    """The runs that know of copies, and *nothing* on each selection of images."""
    rows: list[list[Any]] = []
    nothing: dict[str, list[Any]] = {}
    for run in runs:
        if part := run.parts[target].get("without_leaks"):
            n_images, trivial = f"{part['n_images']:,}", part["baselines"]["predict_nothing"]
            scores = (_interval(part["scores"][name]) for name in _WITHOUT)
            rows.append([f"`{run.name}`", n_images, *scores])
            values = (four_decimals(trivial["scores"][name]) for name in _WITHOUT)
            nothing[n_images] = ["*nothing*", n_images, *values]
    return _table(["", "images", *map(_title, _WITHOUT)], [*nothing.values(), *rows])


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table, its first column to the left."""
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _title(name: str) -> str:
    return f"`{name}` {'↓' if SCORES[name].low_is_good else '↑'}"


def _published(names: Sequence[str]) -> list[PublishedResult]:
    """The published results that may be beside these scores."""
    if "dice_positive" in names:
        return [result for result in RESULTS if result.averaging == PER_IMAGE]
    if "dice_all" in names:  # whose averaging is not stated
        return [result for result in RESULTS if result.averaging != PER_IMAGE]
    return []


def _interval(entry: Mapping[str, Any]) -> str:
    """A score of a run."""
    if entry["low"] is None:
        return four_decimals(entry["value"])
    return f"{four_decimals(entry['value'])} ({entry['low']:.3f}–{entry['high']:.3f})"


def _minutes(seconds: Any) -> str:
    return f"{seconds / 60:.1f} min" if isinstance(seconds, int | float) else "–"


def _cell(text: Any) -> str:
    """A text that cannot end a cell of a table, or begin another element."""
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
