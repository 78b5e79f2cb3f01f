"""Which figures ``covseg.explore`` draws of a dataset, in which section of its page."""

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from covseg.data.layout import SPLITS
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
_INFECTED = {
    "infected_share_of_image": "Infected share of the image",
    "infected_share_of_lung": "Infected share of the lungs",
}


@dataclass(frozen=True)
class Drawn:
    """A figure with its words.

    Attributes:
        section: of the page: ``distributions``, ``infection``, ``maps`` or ``shortcuts``.
        name: of its file.
        figure: itself.
        description: what is read aloud in its place.
    """

    section: str
    name: str
    figure: Figure
    description: str


def drawn(found: Exploration) -> list[Drawn]:
    """All figures; one that would be empty is not drawn."""
    with style():
        return [*_distributions(found), *_infected(found), *_maps(found), *_shortcuts(found)]


def _distributions(found: Exploration) -> Iterator[Drawn]:
    for name, (title, unit) in _DISTRIBUTIONS.items():
        if groups := by_group(found.statistics[name], found.store.index):
            figure = figures.quantiles(title, unit, groups)
            says = f"{title} by class and split; the numbers are in tables/distributions.csv"
            yield Drawn("distributions", name, figure, says)


def _infected(found: Exploration) -> Iterator[Drawn]:
    positive = found.statistics["infected_share_of_image"] > 0
    for name, title in _INFECTED.items():
        of_split: dict[str, Numbers] = {}
        for split in SPLITS:
            rows = found.store.index.of_split(split)
            values = found.statistics[name][rows][positive[rows]]
            of_split[split] = values[values == values]  # NaN: no lung mask
        if any(len(values) for values in of_split.values()):
            figure = figures.shares(title, of_split)
            says = f"{title}, histogram of the positive images of each split"
            yield Drawn("infection", name, figure, says)


def _maps(found: Exploration) -> Iterator[Drawn]:
    masks = {split: mask for split, mask in found.mean_masks.items() if mask}
    top = max((float(mask.infection.max()) for mask in masks.values()), default=0.0)
    for split, mask in masks.items():
        says = f"Map of where infection lies in {split}; at most {mask.infection.max():.0%} of the "
        says += "images are infected at one place"
        figure = figures.heat_map(split, mask, top)
        yield Drawn("maps", f"infection_map_{split}", figure, says)


def _shortcuts(found: Exploration) -> Iterator[Drawn]:
    fitted = {seen: shortcut for seen, shortcut in found.shortcuts.items() if shortcut}
    if not fitted:
        return
    plain: dict[str, figures.Accuracy] = {
        seen: (s.accuracy, s.accuracy_interval, s.majority_share) for seen, s in fitted.items()
    }
    balanced: dict[str, figures.Accuracy] = {
        seen: (s.balanced_accuracy, s.balanced_interval, 1 / len(s.classes))
        for seen, s in fitted.items()
    }
    for title, accuracies in (("Accuracy", plain), ("Balanced accuracy", balanced)):
        says = f"{title} of the trivial classifiers with 95 % intervals, as in the tables below"
        name = title.lower().replace(" ", "_")
        yield Drawn("shortcuts", name, figures.accuracies(title, accuracies), says)
