"""The figures of one target of a run, drawn and exported for the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from covseg.csv_files import Columns
from covseg.data.layouts.covid_qu_ex.names import classes_of
from covseg.measure.lesion_size import SizeGroup, infected_share
from covseg.measure.records import Records
from covseg.measure.scores import OBJECTIVE, dice_of_each, rmse_of_each
from covseg.measure.severity import Severity
from covseg.report.html.figure_export import style, svg
from covseg.report.html.panel import of_epochs, over_epochs
from covseg.report.result import RunResult
from covseg.report.run import figures

_CURVES = {  # title -> label -> column of metrics.csv
    "Loss": {"fitted": "train/loss", "Val": "val/loss"},
    "RMSE": {"fitted, all pixels": "train/rmse", "Val, per image": f"val/{OBJECTIVE}"},
    "Dice of positive images": {"Val": "val/dice_positive"},
}
_OVER_THRESHOLDS = {
    "Overlap": {"dice_positive": "Dice", "iou_positive": "IoU", "dice_pooled": "Dice, pooled"},
    "Pixels": {"precision_pooled": "precision", "recall_pooled": "recall"},
    "Images": {"false_alarm_rate": "false alarms", "miss_rate": "missed"},
}


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page."""

    section: str  # thresholds, probability or groups
    name: str  # unique for a target
    figure: Figure
    description: str  # for screen readers


def svg_figures(drawn: Iterator[PageFigure], target: str) -> dict[str, list[str]]:
    """Elements of figures, by section."""
    sections: dict[str, list[str]] = {}
    with style():
        for one in drawn:
            element = svg(one.figure, f"{target}-{one.name}", one.description)
            sections.setdefault(one.section, []).append(element)
    return sections


def target_figures(
    result: RunResult, target: str, records: Records, sizes: Sequence[SizeGroup]
) -> Iterator[PageFigure]:
    """All figures of a target except those that would be empty.

    Args:
        result: of the run.
        target: that is shown.
        records: of the target.
        sizes: groups of its positive images.
    """
    yield from _over_thresholds(result, target)
    histogram = result.histograms[target]
    if histogram.positive.any():
        figure = figures.precision_recall(histogram, result.threshold)
        text = "Precision over recall at 100 thresholds; the numbers are in histogram.csv"
        yield PageFigure("probability", "precision_recall", figure, text)
    text = "Share of positive pixels over the probability; calibration error "
    text += f"{histogram.calibration_error:.3f}"
    yield PageFigure("probability", "reliability", figures.reliability(histogram), text)
    yield from _of_images(records, sizes)


def _over_thresholds(result: RunResult, target: str) -> Iterator[PageFigure]:
    of = result.thresholds[result.split, target]
    marks = {"reported": result.threshold}
    if (choice := result.choice(target)) is not None and choice != result.threshold:
        marks[f"best on {result.selects}"] = choice
    for title, names in _OVER_THRESHOLDS.items():
        known = {name: label for name, label in names.items() if None not in of.scores[name][:1]}
        if known:
            figure = figures.over_thresholds(title, of, known, marks)
            text = f"{', '.join(known)} over the threshold; the numbers are in thresholds.csv"
            yield PageFigure("thresholds", f"thresholds_{title}", figure, text)


def _of_images(records: Records, sizes: Sequence[SizeGroup]) -> Iterator[PageFigure]:
    counts = records.counts()
    rmse, dice, positive = rmse_of_each(counts), dice_of_each(counts), counts.positive
    classes = classes_of(records.patient_class.tolist())
    if sizes:
        figure = figures.by_size(sizes, infected_share(records)[positive], dice[positive])
        text = "Dice of every positive image over its positive share, with means of groups"
        yield PageFigure("groups", "by_size", figure, text)
        of = {name: dice[positive & (records.patient_class == name)] for name in classes}
        figure = figures.histogram("Dice of positive images", "Dice", of, 1)
        yield PageFigure("groups", "dice", figure, "Histogram of the Dice of positive images")
    of = {name: rmse[records.patient_class == name] for name in classes}
    figure = figures.histogram("RMSE of all images", "RMSE", of, max(0.05, float(rmse.max())))
    yield PageFigure("groups", "rmse", figure, "Histogram of the RMSE of the images by class")


def curve_figures(metrics: Columns, reported: int | None) -> Iterator[PageFigure]:
    """The curves of a training run that have any point.

    Args:
        metrics: the columns of ``metrics.csv``.
        reported: the epoch whose weights are scored, if it is known.
    """
    for title, columns in _CURVES.items():
        curves = {label: of_epochs(metrics, column) for label, column in columns.items()}
        if curves := {label: points for label, points in curves.items() if points[1]}:
            figure = over_epochs(title, curves, reported)
            text = f"{title} over the epochs; the numbers are in metrics.csv"
            yield PageFigure("curves", f"curve_{title}", figure, text)


def severity_figures(records: Records) -> Iterator[PageFigure]:
    """The affected share of the lungs of each image, predicted over true; see ``Severity``."""
    if (severity := Severity.of(records)) is not None:
        text = "Affected share of the lungs of every image, predicted over true"
        yield PageFigure("severity", "severity", figures.severity(severity), text)


def reported_epoch(
    metrics: Columns, checkpoint: str, monitor: str, low_is_good: bool
) -> int | None:
    """The epoch of the reported checkpoint: the best on Val by a score, or the last one."""
    if checkpoint != "best.ckpt":
        epochs, _ = of_epochs(metrics, "epoch")
        return epochs[-1] if epochs else None
    epochs, values = of_epochs(metrics, f"val/{monitor}")
    choose = min if low_is_good else max
    return epochs[values.index(choose(values))] if values else None
