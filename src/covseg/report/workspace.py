"""The panels of a W&B project: curves, table of runs, overlays, what settings did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from covseg.measure.scores import OBJECTIVE, SCORES

_SHOWN = ("rmse_per_image", "dice_positive", "dice_all", "miss_rate", "false_alarm_rate")
_CURVES = {
    "loss": ("train/loss", "val/loss"),
    "RMSE": ("train/rmse", f"val/{OBJECTIVE}"),
    "Dice of positive images": ("val/dice_positive",),
    "misses and false alarms": ("val/miss_rate", "val/false_alarm_rate"),
}
_WIDTH, _HEIGHT = 12, 6  # of a panel; a report is 24 wide


@dataclass(frozen=True)
class Place:
    """A W&B project and what is shown of its runs.

    Attributes:
        entity: user or team.
        project: of the runs.
        above: what the names of scores begin with: the split, and the target of several.
        keys: settings that are compared, such as ``model.depth``.
    """

    entity: str
    project: str
    above: str
    keys: Sequence[str]


def workspace(place: Place) -> ws.Workspace:
    """The workspace: panels over all runs of the project."""
    return ws.Workspace(
        entity=place.entity,
        project=place.project,
        name="covseg",
        sections=[
            ws.Section(name=name, panels=panels, is_open=True)
            for name, panels in _sections(place).items()
        ],
        runset_settings=ws.RunsetSettings(
            order=[ws.Ordering(ws.Summary("objective"), ascending=True)],
            pinned_columns=["run:displayName", *_columns(place)],
        ),
    )


def report(place: Place) -> wr.Report:
    """The same panels as a page to share, with what each score means."""
    runs = wr.Runset(
        entity=place.entity,
        project=place.project,
        name="runs",
        order=[wr.OrderBy(wr.SummaryMetric("objective"), ascending=True)],
    )
    meaning = [f"{name}: {SCORES[name].meaning}" for name in _SHOWN]
    blocks: list[Any] = [
        wr.P(
            f"Scores of {place.above}, each with its 95 % bootstrap interval over images "
            "(_low, _high); runs are ordered by the objective, rmse_per_image on Val."
        ),
        wr.UnorderedList(items=meaning),
    ]
    for name, panels in _sections(place).items():
        blocks += [wr.H2(name), wr.PanelGrid(runsets=[runs], panels=panels)]
    return wr.Report(
        entity=place.entity,
        project=place.project,
        title=f"{place.project}: runs compared",
        description="Made by covseg.dashboard",
        blocks=blocks,
    )


def _sections(place: Place) -> dict[str, list[Any]]:
    above = place.above
    scores: list[Any] = [
        wr.BarPlot(title=f"{above}: {name}", metrics=[_summary(f"{above}/{name}{bound}")
                   for bound in ("_low", "", "_high")], orientation="h")
        for name in _SHOWN
    ]  # fmt: skip
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(key)) for key in place.keys]
    columns += [
        wr.ParallelCoordinatesPlotColumn(_summary(name), inverted=name == "objective")
        for name in ("objective", f"{above}/dice_positive")
    ]
    return {
        "Scores with their intervals": _laid_out(scores),
        "Curves": _laid_out(
            [wr.LinePlot(title=title, x="epoch", y=list(names)) for title, names in _CURVES.items()]
            + [wr.LinePlot(title="learning rate", x="trainer/global_step", y=["train/lr"])]
        ),
        "What settings did": _laid_out(
            [
                wr.ParallelCoordinatesPlot(columns=columns),
                wr.ParameterImportancePlot(with_respect_to="objective"),
            ]
        ),
        "Images": _laid_out(
            [
                wr.MediaBrowser(title="Val while training", media_keys=["pictures"]),
                wr.WeavePanelSummaryTable(table_name=f"{above}/images"),
                wr.WeavePanelSummaryTable(table_name=f"{above}/precision_recall_table"),
            ]
        ),
    }


def _columns(place: Place) -> list[str]:
    """What the table of runs shows first: objective, Dice with its interval, settings."""
    dice = [f"{place.above}/dice_positive{bound}" for bound in ("", "_low", "_high")]
    summary = [f"summary:{name}" for name in ("objective", *dice)]
    settings = (key.partition(".") for key in place.keys)
    # W&B has the value of a key between its first part and the rest
    return [*summary, *(f"config:{first}.value{dot}{rest}" for first, dot, rest in settings)]


def _summary(name: str) -> Any:
    return wr.SummaryMetric(name)


def _laid_out(panels: list[Any]) -> list[Any]:
    """Two panels in a row."""
    for n, panel in enumerate(panels):
        x, y = n % 2 * _WIDTH, n // 2 * _HEIGHT
        panel.layout = wr.Layout(x=x, y=y, w=_WIDTH, h=_HEIGHT)
    return panels
