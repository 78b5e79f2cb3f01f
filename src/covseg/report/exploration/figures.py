"""The figures of ``covseg.explore``, one function per figure, sized for a phone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from covseg.config.data import SPLITS
from covseg.data.audit.mean_masks import MeanMask
from covseg.data.index import UNDIVIDED
from covseg.report.colours import FAINT, INK, ORANGE, QUIET, class_colours
from covseg.report.exploration.distributions import Numbers, Quantiles

_WIDTH, _HEIGHT = 3.6, 2.7  # inches
_TRAIN, _VAL, _TEST = SPLITS

Accuracy = tuple[float, tuple[float, float], float]  # value, interval, value by chance
_PER_CENT = FuncFormatter(lambda share, _: f"{100 * share:g} %")


def quantiles(
    title: str,
    unit: str,
    groups: Mapping[tuple[str, str], Quantiles],
    classes: Sequence[str],
    splits: Sequence[str],
) -> Figure:
    """A line from the 5th to the 95th percentile, a bar from the 25th to the 75th, a median dot.

    ``unit`` labels the axis; ``share`` is shown in per cent. A missing group has no line.
    """
    figure, axes = _panel(title, _HEIGHT)
    labels: list[tuple[str, str, str]] = []  # text, colour, weight
    for patient_class, colour in class_colours(classes).items():
        labels.append((patient_class, colour, "bold"))
        for split in splits:
            y = len(labels)
            labels.append((split, QUIET, "normal"))
            if group := groups.get((split, patient_class)):
                axes.hlines(y, group.p5, group.p95, color=colour, linewidth=1.2)
                axes.hlines(y, group.p25, group.p75, color=colour, linewidth=5)
                axes.plot(group.p50, y, "o", color="white", markersize=3, markeredgecolor=INK)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), [text for text, _, _ in labels])
    for tick, (_, colour, weight) in zip(axes.get_yticklabels(), labels, strict=True):
        tick.set(color=colour, fontweight=weight)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    if unit == "share":
        axes.xaxis.set_major_formatter(_PER_CENT)
    axes.set_xlabel("share of the pixels" if unit == "share" else unit)
    return figure


def shares(title: str, of_split: Mapping[str, Numbers]) -> Figure:
    """Histogram of a share in [0, 1] over the images of each split, of which one has images."""
    figure, axes = _panel(title, _HEIGHT)
    styles: dict[str, dict[str, Any]] = {
        UNDIVIDED: {"histtype": "stepfilled", "color": ORANGE, "alpha": 0.3},
        _TRAIN: {"histtype": "stepfilled", "color": ORANGE, "alpha": 0.3},
        _VAL: {"histtype": "step", "color": INK, "linestyle": (0, (2, 1.5)), "linewidth": 1.1},
        _TEST: {"histtype": "step", "color": ORANGE, "linewidth": 1.6},
    }
    top = max(float(values.max()) for values in of_split.values() if len(values))
    bins = np.linspace(0, max(top, 0.01), 21)
    for split, values in of_split.items():
        if len(values):
            weights = np.full(len(values), 1 / len(values))
            axes.hist(values, bins=list(bins), weights=weights, label=split, **styles[split])
    axes.set(ylabel="share of the images", xlim=(0, bins[-1]))
    axes.xaxis.set_major_formatter(_PER_CENT)
    axes.yaxis.set_major_formatter(_PER_CENT)
    axes.grid(axis="y")
    # above the plot, right of the title: it would cover the bars
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2)
    return figure


def heat_map(title: str, mask: MeanMask, top: float) -> Figure:
    """Share of the positive images that are infected at a pixel, with an outline of the lungs.

    ``top`` is the share with the brightest colour.
    """
    figure, axes = _panel(f"{title}, {mask.n_images:,} images", _WIDTH * 0.86)
    shown = axes.imshow(mask.lesion, cmap="inferno", vmin=0, vmax=top, interpolation="bilinear")
    if mask.lung is not None and mask.lung.max() > 0.5 > mask.lung.min():
        axes.contour(mask.lung, levels=[0.5], colors="white", linewidths=0.8)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, format=_PER_CENT)
    bar.outline.set_visible(False)
    return figure


def accuracies(title: str, of_input: Mapping[str, Accuracy]) -> Figure:
    """Accuracies of classifiers with intervals and chance, by the input of the classifier."""
    figure, axes = _panel(title, 0.8 + 0.4 * len(of_input))
    for y, (value, (low, high), chance) in enumerate(of_input.values()):
        axes.barh(y, value, height=0.5, color=FAINT)
        axes.hlines(y, low, high, color=INK, linewidth=1.4)
        axes.plot(value, y, "o", color=INK, markersize=3)
        axes.vlines(chance, y - 0.32, y + 0.32, color=QUIET, linewidth=1.6)
        text = f"{100 * value:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        axes.text(max(high, chance) + 0.03, y, text, va="center")
    axes.set(xlim=(0, 1.45), ylim=(len(of_input) - 0.4, -0.6), xticks=(0, 0.5, 1))
    axes.set_yticks(range(len(of_input)), list(of_input))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(_PER_CENT)
    return figure


def _panel(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height))
    figure.suptitle(title, x=0.02, ha="left")
    return figure, figure.add_subplot()
