"""The list of figures of a dataset, with their sections on the page."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from covseg.report.exploration import figures
from covseg.report.exploration.distributions import Numbers, by_group
from covseg.report.exploration.result import Exploration
from covseg.report.html.figure_export import style

_DISTRIBUTIONS = {
    "mean": ("Brightness", "mean grey value"),
    "standard_deviation": ("Contrast", "standard deviation of the grey values"),
    "laplacian": ("Sharpness and grain", "standard deviation of the Laplacian"),
    "border_mean": ("Brightness of the border", "mean grey value outside the lungs"),
    "border_black_share": ("Black in the border", "share"),
    "corner_marks": ("Letters and markers in the corners", "share"),
}
_SHARES = {
    "infected_share_of_image": "Share of the image with {lesion}",
    "infected_share_of_lung": "Share of the lungs with {lesion}",
}


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page."""

    section: str  # distributions, infection, maps or shortcuts
    name: str  # of its file, without suffix
    figure: Figure
    description: str  # for screen readers


def page_figures(result: Exploration) -> list[PageFigure]:
    """Draw all figures except those that would be empty."""
    with style():
        return [*_distributions(result), *_infected(result), *_maps(result), *_shortcuts(result)]


def _distributions(result: Exploration) -> Iterator[PageFigure]:
    for name, (title, unit) in _DISTRIBUTIONS.items():
        index = result.store.index
        if groups := by_group(result.statistics[name], index):
            figure = figures.quantiles(title, unit, groups, index.classes, index.splits)
            text = f"{title} by class and split; the numbers are in tables/distributions.csv"
            yield PageFigure("distributions", name, figure, text)


def _infected(result: Exploration) -> Iterator[PageFigure]:
    positive = result.statistics["infected_share_of_image"] > 0
    for name, of_lesion in _SHARES.items():
        title = of_lesion.format(lesion=result.store.index.lesion)
        of_split: dict[str, Numbers] = {}
        for split in result.store.index.splits:
            rows = result.store.index.of_split(split)
            values = result.statistics[name][rows][positive[rows]]
            of_split[split] = values[~np.isnan(values)]  # NaN: no lung mask
        if any(len(values) for values in of_split.values()):
            figure = figures.shares(title, of_split)
            text = f"{title}, histogram of the positive images of each split"
            yield PageFigure("infection", name, figure, text)


def _maps(result: Exploration) -> Iterator[PageFigure]:
    masks = {split: mask for split, mask in result.mean_masks.items() if mask}
    top = max((float(mask.lesion.max()) for mask in masks.values()), default=0.0)
    for split, mask in masks.items():
        text = f"Map of the {result.store.index.lesion} in {split}; at most "
        text += f"{mask.lesion.max():.0%} of the images have it at the same pixel"
        figure = figures.heat_map(split, mask, top)
        yield PageFigure("maps", f"infection_map_{split}", figure, text)


def _shortcuts(result: Exploration) -> Iterator[PageFigure]:
    fitted = {name: shortcut for name, shortcut in result.shortcuts.items() if shortcut}
    if not fitted:
        return
    plain: dict[str, figures.Accuracy] = {
        name: (s.accuracy, s.accuracy_interval, s.majority_share) for name, s in fitted.items()
    }
    balanced: dict[str, figures.Accuracy] = {
        name: (s.balanced_accuracy, s.balanced_interval, 1 / len(s.classes))
        for name, s in fitted.items()
    }
    for title, accuracies in (("Accuracy", plain), ("Balanced accuracy", balanced)):
        text = f"{title} of the trivial classifiers with 95 % intervals, as in the tables below"
        name = title.lower().replace(" ", "_")
        yield PageFigure("shortcuts", name, figures.accuracies(title, accuracies), text)
