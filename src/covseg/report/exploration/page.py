"""What ``covseg.explore`` has found as one self-contained HTML page, with its figures as PNG."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from covseg.data.audit.statistics import GLOBAL, OTHERS
from covseg.data.layout import PATIENT_CLASSES, PUBLISHED, PUBLISHED_LUNG, SPLITS, TREES
from covseg.files import write_whole
from covseg.report.exploration.figure_list import Drawn, drawn
from covseg.report.exploration.finding_cards import finding_cards, lookalikes, plain_and_outlined
from covseg.report.exploration.headlines import facts, headlines
from covseg.report.exploration.result import OF_BORDER, Card, Counts, Exploration
from covseg.report.html.environment import environment
from covseg.report.html.figure_export import png, svg
from covseg.report.html.thumbnails import embedded


@dataclass(frozen=True)
class Tree:
    """The images of one tree beside the published ones."""

    title: str
    counts: Counts
    published: Counts


@dataclass(frozen=True)
class Example:
    """An image of a class and split that is in the middle of them."""

    split: str
    patient_class: str
    name: str
    address: str


def write_page(found: Exploration, card: Card, out: Path) -> None:
    """Write ``explore.html`` and ``figures/*.png``.

    Raises:
        RunError: ``out`` is full.
    """
    all_drawn = drawn(found)
    for one in all_drawn:
        write_whole(out / "figures" / f"{one.name}.png", png(one.figure))
    write_whole(out / "explore.html", page(found, card, all_drawn))


def page(found: Exploration, card: Card, all_drawn: list[Drawn]) -> str:
    """The page as HTML."""
    template = environment("covseg.report.exploration").get_template("exploration.html")
    return template.render(
        card=card,
        fingerprint=found.store.fingerprint,
        size=found.store.images.shape[:0:-1],
        facts=facts(found),
        headlines=headlines(found),
        splits=SPLITS,
        classes=PATIENT_CLASSES,
        trees=_trees(found),
        examples=examples(found),
        figures=_figures(all_drawn),
        has_lungs=any(row.lung for row in found.store.index.rows),
        shortcuts=found.shortcuts,
        of_border=OF_BORDER,
        n_findings=len(found.findings),
        cards=finding_cards(found.findings, found.store),
        lookalikes=lookalikes(found.nearest, found.store),
        between=_between(found),
        seen_before={s: found.seen_before(s, _others(s)) for s in SPLITS},
        n_of_split={s: len(found.store.index.of_split(s)) for s in SPLITS},
        words=GLOBAL,
        other_words=OTHERS,
    )


def examples(found: Exploration) -> list[Example]:
    """For each split and class the image with the median of infection, or else of brightness."""
    rows, chosen = found.store.index.rows, list[Example]()
    order = np.lexsort((found.statistics["mean"], found.statistics["infected_share_of_image"]))
    for split in SPLITS:
        for patient_class in PATIENT_CLASSES:
            here = [n for n in order if rows[n].key[:2] == (split, patient_class)]
            if here:
                row = int(here[len(here) // 2])
                picture = embedded(plain_and_outlined(found.store, row))
                chosen.append(Example(split, patient_class, rows[row].name, picture))
    return chosen


def _trees(found: Exploration) -> list[Tree]:
    trees = [Tree(TREES["infection"], found.store.index.counts(), PUBLISHED)]
    if found.lung_tree is not None:
        trees.append(Tree(TREES["lung"], found.lung_tree, PUBLISHED_LUNG))
    return trees


def _figures(all_drawn: list[Drawn]) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for one in all_drawn:
        element = svg(one.figure, one.name, one.description)
        sections.setdefault(one.section, []).append(element)
    return sections


def _between(found: Exploration) -> dict[str, dict[str, int]]:
    """Pairs of copies by the splits that they join, the later split first; empty without one."""
    places = Counter(frozenset({f.a[0], f.b[0]}) for f in found.copies if f.b)
    if not places:
        return {}
    return {
        split: {other: places[frozenset({split, other})] for other in SPLITS[: number + 1]}
        for number, split in enumerate(SPLITS)
    }


def _others(split: str) -> tuple[str, ...]:
    return tuple(other for other in SPLITS if other != split)
