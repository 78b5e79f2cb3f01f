"""A comparison of runs as a self-contained HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from covseg.data.layouts.covid_qu_ex.names import classes_of
from covseg.measure.comparison import Comparison, Group
from covseg.measure.paired import Paired
from covseg.measure.scores import OBJECTIVE, SCORES
from covseg.report.comparison.figures import curves, differences, scatter
from covseg.report.comparison.pictures import ComparedImage
from covseg.report.comparison.table import CLAIMED, claim
from covseg.report.html.environment import environment
from covseg.report.html.figure_export import style, svg

_N_SCATTERED = 3  # groups whose images are drawn over those of the reference


@dataclass(frozen=True)
class DifferingImages:
    """The images on which the best two groups differ most."""

    first: str  # label of the better group
    second: str
    images: Sequence[ComparedImage]


@dataclass(frozen=True)
class TargetPart:
    """What the page shows of a target."""

    comparison: Comparison
    claims: list[str]
    rows: list["ScoreRow"]
    figures: Mapping[str, list[str]]  # SVG elements by section
    differing: DifferingImages | None


@dataclass(frozen=True)
class ScoreRow:
    """A score of every group, and its differences to the reference."""

    name: str
    low_is_good: bool
    meaning: str
    cells: list["Cell"]


@dataclass(frozen=True)
class Cell:
    """A score of a group."""

    value: float | None
    interval: tuple[float, float] | None
    spread: float | None  # over seeds
    difference: Paired | None  # to the reference


def page(
    comparisons: Sequence[Comparison],
    differing: Mapping[str, DifferingImages],
    command: str,
    version: str,
) -> str:
    """The page as HTML.

    Args:
        comparisons: of each target.
        differing: by target; without one whose images could not be read.
        command: that wrote the page.
        version: of covseg.
    """
    parts = [_part(comparison, differing.get(comparison.target)) for comparison in comparisons]
    template = environment("covseg.report.comparison").get_template("comparison.html")
    return template.render(
        parts=parts,
        first=comparisons[0],
        classes=classes_of(comparisons[0].strata.tolist()),
        command=command,
        version=version,
    )


def _part(comparison: Comparison, differing: DifferingImages | None) -> TargetPart:
    claims = [claim(comparison, score) for score in CLAIMED]
    return TargetPart(
        comparison=comparison,
        claims=[text for text in claims if text],
        rows=[_row(comparison, name) for name in SCORES],
        figures=_figures(comparison),
        differing=differing,
    )


def _row(comparison: Comparison, name: str) -> ScoreRow:
    def cell(group: Group, bounds: tuple[float, float] | None) -> Cell:
        difference = None
        if group is not comparison.reference:
            difference = comparison.difference(name, group, comparison.reference)
        return Cell(group.mean(name), bounds, group.spread(name), difference)

    score = SCORES[name]
    cells = [
        cell(group, bounds[name])
        for group, bounds in zip(comparison.groups, comparison.bounds, strict=True)
    ]
    return ScoreRow(name, score.low_is_good, score.meaning, cells)


def _figures(comparison: Comparison) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    with style():
        for number, (section, figure, text) in enumerate(_drawn(comparison)):
            if figure is not None:
                element = svg(figure, f"{comparison.target}-{number}", text)
                sections.setdefault(section, []).append(element)
    return sections


def _drawn(comparison: Comparison) -> Iterator[tuple[str, Figure | None, str]]:
    others = [group for group in comparison.groups if group is not comparison.reference]
    for score in CLAIMED:
        text = f"Differences to the reference in {score}; the numbers are in compare.csv"
        yield "differences", differences(comparison, score, others), text
    ranked = [group for group in comparison.ranked(OBJECTIVE) if group in others]
    for group in ranked[:_N_SCATTERED]:
        for score in reversed(CLAIMED):
            text = f"{score} of every image of {group.name} over that of the reference"
            yield "images", scatter(comparison, group, score), text
    for score in CLAIMED:
        text = f"{score} on Val over the epochs; the numbers are in metrics.csv of each run"
        yield "curves", curves(comparison, score), text
