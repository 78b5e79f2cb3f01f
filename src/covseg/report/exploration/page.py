"""The result of ``covseg.explore`` as a self-contained HTML page, with its figures as PNG."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covseg.data.audit.statistics import GLOBAL, OTHERS
from covseg.data.index import LUNG
from covseg.files import write_whole
from covseg.report.data_sentences import sizes_of
from covseg.report.exploration.figure_list import PageFigure, page_figures
from covseg.report.exploration.finding_cards import finding_cards, lookalikes, plain_and_outlined
from covseg.report.exploration.headlines import headlines
from covseg.report.exploration.result import OF_BORDER, Exploration
from covseg.report.html.environment import environment
from covseg.report.html.figure_export import png, svg
from covseg.report.html.thumbnails import embedded


@dataclass(frozen=True)
class Origin:
    """Where the data and the page come from."""

    made_up: bool  # a phantom has no licence and no citation
    root: str  # name of the archive or folder
    command: str  # that wrote the page
    version: str  # of covseg
    started: str  # UTC, in ISO format


@dataclass(frozen=True)
class Example:
    """The median image of a class and split."""

    split: str
    patient_class: str
    name: str
    url: str


def write_page(result: Exploration, origin: Origin, out: Path) -> None:
    """Write ``explore.html`` and ``figures/*.png``.

    Raises:
        RunError: a file cannot be written.
    """
    figures = page_figures(result)
    for figure in figures:
        write_whole(out / "figures" / f"{figure.name}.png", png(figure.figure))
    write_whole(out / "explore.html", page(result, origin, figures))


def page(result: Exploration, origin: Origin, figures: list[PageFigure]) -> str:
    """The page as HTML."""
    splits = result.store.index.splits
    template = environment("covseg.report.exploration").get_template("exploration.html")
    return template.render(
        origin=origin,
        result=result,
        size=sizes_of(result.store.images).replace(" x ", " × "),
        official=bool(result.store.index.tree),
        lesion=result.store.index.lesion,
        headlines=headlines(result),
        splits=splits,
        classes=result.store.index.classes,
        examples=examples(result),
        figures=_by_section(figures),
        has_lungs=any(LUNG in row.masks for row in result.store.index.rows),
        of_border=OF_BORDER,
        cards=finding_cards(result.findings, result.store),
        lookalikes=lookalikes(result.nearest, result.store),
        pairs_between=_pairs_between(result),
        seen_before={s: result.seen_before(s, {*splits} - {s}) for s in splits},
        n_of_split={s: len(result.store.index.of_split(s)) for s in splits},
        global_statistics=GLOBAL,
        other_statistics=OTHERS,
    )


def examples(result: Exploration) -> list[Example]:
    """For each split and class the image with the median infected share, then brightness."""
    rows, chosen = result.store.index.rows, list[Example]()
    order = np.lexsort((result.statistics["mean"], result.statistics["infected_share_of_image"]))
    for split in result.store.index.splits:
        for patient_class in result.store.index.classes:
            group = [row for row in order if rows[row].key[:2] == (split, patient_class)]
            if group:
                row = int(group[len(group) // 2])
                picture = embedded(plain_and_outlined(result.store, row))
                chosen.append(Example(split, patient_class, rows[row].name, picture))
    return chosen


def _by_section(figures: list[PageFigure]) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for figure in figures:
        element = svg(figure.figure, figure.name, figure.description)
        sections.setdefault(figure.section, []).append(element)
    return sections


def _pairs_between(result: Exploration) -> dict[str, dict[str, int]]:
    """Number of pairs of copies by later and earlier split; empty if there are no copies."""
    n_pairs = Counter(frozenset({f.a[0], f.b[0]}) for f in result.copies if f.b)
    if not n_pairs:
        return {}
    splits = result.store.index.splits
    return {
        split: {other: n_pairs[frozenset({split, other})] for other in splits[: number + 1]}
        for number, split in enumerate(splits)
    }
