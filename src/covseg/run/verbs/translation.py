"""Dice and IoU by every way of averaging: of a run, and what a published pair can mean."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from covseg.config.translate import Translate
from covseg.csv_files import write_csv
from covseg.errors import ConfigError, RunError
from covseg.measure.conventions import CONVENTIONS
from covseg.measure.published import PublishedPair
from covseg.measure.records import Records
from covseg.report.counting_tables import pair_table, run_table
from covseg.report.table import show
from covseg.run.folder.run_folder import RunFolder


def translate(config: Translate, out: Path) -> None:
    """Print the tables; write ``conventions.csv`` of a run and ``published.csv`` of a pair.

    Raises:
        ConfigError: nothing is asked for, or half of a pair.
        RunError: the run has no scores.
    """
    tables: list[RenderableType] = []
    if config.run is not None:
        tables += _of_run(RunFolder(config.run), out)
    if (config.dice is None) != (config.iou is None):
        missing = "iou" if config.iou is None else "dice"
        raise ConfigError(
            f"{missing}=null", "is half of a pair", "give dice= and iou= as published"
        )
    if config.dice is not None and config.iou is not None:
        tables += _of_pair(config, config.dice, config.iou, out)
    if not tables:
        raise ConfigError("run=null", "leaves nothing to do", "set run=, or dice= and iou=")
    separated = [part for table in tables for part in (table, Text())][:-1]
    show(Group(*separated), f"tables: {out}")


def _of_run(run: RunFolder, out: Path) -> list[RenderableType]:
    if not run.per_image.exists():
        raise RunError(run, "has no per_image.csv", "name a run folder with scores")
    records = Records.read(run.per_image)
    tables: list[RenderableType] = []
    rows = []
    for target in dict.fromkeys(records.target.tolist()):
        counts = records.where(records.target == target).counts()
        n_images, n_positive = len(counts.tp), int(counts.positive.sum())
        title = f"{run}, {target}: {n_images:,} images, {n_positive:,} of them positive"
        tables.append(run_table(counts, title))
        for name, way in CONVENTIONS.items():
            rows.append([target, name, way.dice(counts), way.iou(counts)])
    write_csv(out / "conventions.csv", ["target", "average", "dice", "iou"], rows)
    return tables


def _of_pair(config: Translate, dice: float, iou: float, out: Path) -> list[RenderableType]:
    if config.n_positive > config.n_images:
        raise ConfigError(
            f"n_positive={config.n_positive}",
            f"is more than n_images={config.n_images}",
            "give the number of images with infection among all images",
        )
    try:
        pair = PublishedPair.of(dice, iou, config.decimals)
    except ValueError as error:
        raise ConfigError(
            f"dice={dice} iou={iou}",
            f"is no pair, because {error}",
            "give both as shares or in per cent",
        ) from error
    readings = pair.readings(config.n_images, config.n_positive)
    columns = ["average", "possible", "dice_positive", "iou_positive", "reason"]
    rows = [
        [r.convention, int(r.possible), r.dice_positive, r.iou_positive, r.reason] for r in readings
    ]
    write_csv(out / "published.csv", columns, rows)
    return [pair_table(pair, readings)]
