"""Figures show the numbers that they are given, also where some are missing."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from covseg.config.data import SPLITS
from covseg.data.audit.mean_masks import MeanMask
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.report.exploration import figures
from covseg.report.exploration.distributions import Quantiles


def words(figure: Figure) -> set[str]:
    figure.draw_without_rendering()
    axes = figure.axes[0]
    ticks = [*axes.get_xticklabels(), *axes.get_yticklabels()]
    return {text.get_text() for text in (*ticks, *axes.texts, *figure.texts)}


def test_a_bar_covers_the_middle_half_and_a_dot_is_the_median():
    groups = {("Val", "Normal"): Quantiles(9, 1, 2, 3.5, 4, 7)}
    figure = figures.quantiles("Title", "grey", groups, PATIENT_CLASSES, SPLITS)
    axes = figure.axes[0]
    spans = [lines.get_segments()[0][:, 0].tolist() for lines in axes.collections]
    assert spans == [[1, 7], [2, 4]]
    assert axes.lines[0].get_xdata().tolist() == [3.5]
    y = axes.lines[0].get_ydata()[0]
    assert axes.get_yticklabels()[int(y)].get_text() == "Val"
    assert {"COVID-19", "Non-COVID", "Normal"} <= words(figure)
    assert figure.get_suptitle() == "Title"


def test_shares_of_a_split_sum_to_one():
    of_split = {"Train": np.array([0.1, 0.2, 0.2, 0.4]), "Val": np.array([]), "Test": np.zeros(1)}
    axes = figures.shares("Title", of_split).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Train", "Test"]
    heights = [patch.get_xy()[:, 1].max() for patch in axes.patches]
    assert heights == pytest.approx([0.5, 1])


@pytest.mark.parametrize("lung", [None, np.zeros((4, 4), np.float32), np.eye(4, dtype=np.float32)])
def test_a_map_is_drawn_with_and_without_lungs(lung):
    mask = MeanMask(1234, np.eye(4, dtype=np.float32), lung)
    figure = figures.heat_map("Train", mask, 1.0)
    assert figure.get_suptitle() == "Train, 1,234 images"
    outlined = lung is not None and lung.any()
    assert len(figure.axes[0].collections) == bool(outlined)


def test_an_accuracy_is_shown_with_its_interval_and_chance():
    of_input = {"the border": (0.66, (0.64, 0.68), 0.5), "numbers": (1.0, (0.99, 1.0), 0.5)}
    figure = figures.accuracies("Accuracy", of_input)
    assert {"the border", "numbers", "66 % (64 to 68)", "100 % (99 to 100)"} <= words(figure)
    segments = [lines.get_segments()[0] for lines in figure.axes[0].collections]
    assert any((segment[:, 0] == 0.5).all() for segment in segments)
