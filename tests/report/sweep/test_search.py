"""What a search has shown, by hand: the best so far in either direction, and words about it."""

from dataclasses import replace

import pytest
from rich.console import Console

from covseg.report.html.figure_export import png, style
from covseg.report.sweep.figures import sweep_figure
from covseg.report.sweep.page import page
from covseg.report.sweep.result import Row, SweepResult
from covseg.report.sweep.search import SearchResult, Trial
from covseg.report.sweep.table import sweep_tables

TRIALS = [Trial(0, "0", [0.5, 3.0]), Trial(2, "2", [0.7, 2.0]), Trial(3, "2", [0.7, 2.0])]
SHARES = {"model.depth": [0.75, 0.1], "optimizer.lr": [0.25, 0.9]}
TWO = SearchResult(["dice_positive", "seconds"], [False, True], TRIALS, TRIALS[1:], SHARES)
ONE = SearchResult(
    ["dice_positive"], [False], TRIALS, TRIALS[1:], {key: [one] for key, (one, _) in SHARES.items()}
)
ROWS = [
    Row(job, {"model.depth": job}, "finished", "Val", value, seconds=1.0)
    for job, value in (("0", 0.3), ("2", 0.2))
]


def test_the_best_so_far_is_the_highest_or_the_lowest():
    assert ONE.best_so_far == [0.5, 0.7, 0.7]
    assert replace(ONE, low_is_good=[True]).best_so_far == [0.5, 0.5, 0.5]


def test_the_verdict_names_a_job_once():
    assert ONE.verdict == "Best of 3 trials: job 2 (dice_positive 0.7000)."
    assert TWO.verdict == ("Best of 3 trials, the Pareto front of dice_positive and seconds: 2.")
    assert replace(ONE, trials=[], best=[]).verdict == "No trial is complete."


@pytest.mark.parametrize("search", [ONE, TWO])
def test_figure_page_and_table_show_the_search(search, capsys):
    result = SweepResult(ROWS, search)
    with style():
        figure = sweep_figure(result)
    titles = [plot.get_title(loc="left") for part in figure.subfigs for plot in part.axes]
    assert "importance for dice_positive" in titles
    assert png(figure)[:4] == b"\x89PNG"
    Console(width=80).print(sweep_tables(result))
    for text in (page(result, figure, "sweep"), capsys.readouterr().out):
        assert search.verdict in text
        assert "75" in text


def test_a_search_without_a_complete_trial_is_no_figure():
    search = replace(ONE, trials=[], best=[], importance={})
    figure = sweep_figure(SweepResult(ROWS, search))
    assert not figure.subfigs
