"""What a sweep has shown, by hand: seeds become one point, and each value its mean."""

from statistics import stdev

import pytest
from rich.console import Console

from covseg.report.html.figure_export import png, style
from covseg.report.sweep.figures import sweep_figure
from covseg.report.sweep.result import Row, SweepResult
from covseg.report.sweep.table import short_names, sweep_tables


def row(value: float | None, status: str = "finished", **settings: str) -> Row:
    scores = (
        {} if value is None else {"rmse_per_image": {"value": value, "low": None, "high": None}}
    )
    return Row("0", settings, status, "Val", value, scores, 1.0)


SEEDS = SweepResult(
    [
        row(0.5, depth="2", seed="0"),
        row(0.7, depth="2", seed="1"),
        row(0.4, depth="10", seed="0"),
        row(0.2, depth="10", seed="1"),
        row(None, "failed", depth="10", seed="2"),
    ]
)


def test_jobs_that_differ_in_their_seed_are_one_point():
    best, worst = SEEDS.points
    assert (best.settings, best.values) == ({"depth": "10"}, [0.4, 0.2])
    assert best.mean == pytest.approx(0.3)
    assert worst.spread == pytest.approx(stdev([0.5, 0.7]))


def test_one_seed_has_no_spread():
    [point] = SweepResult([row(0.5, depth="2")]).points
    assert point.spread is None


def test_values_that_are_numbers_are_in_their_order():
    assert SEEDS.choices("depth") == ["2", "10"]


def test_the_effect_of_a_value_is_the_mean_over_its_points():
    result = SweepResult(
        [
            *(row(0.1, depth="2", lr="1"), row(0.3, depth="2", lr="2")),
            *(row(0.4, depth="3", lr="1"), row(0.8, depth="3", lr="2")),
        ]
    )
    effects = {key: result.effects(key) for key in result.axes}
    assert effects["depth"] == {"2": (2, pytest.approx(0.2)), "3": (2, pytest.approx(0.6))}
    assert effects["lr"] == {"1": (2, pytest.approx(0.25)), "2": (2, pytest.approx(0.55))}


def test_a_name_is_short_where_that_is_unique():
    keys = ["model.depth", "data.name", "protocol.name"]
    assert [*short_names(keys).values()] == ["depth", "data.name", "protocol.name"]


def sweep_over(n_axes: int) -> SweepResult:
    return SweepResult(
        [
            row(0.1 + 0.01 * n, **{f"group.key{k}": f"{n >> k & 1}" for k in range(n_axes)})
            for n in range(2**n_axes)
        ]
    )


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_a_figure_names_every_axis(n_axes):
    figure = sweep_figure(sweep_over(n_axes))
    assert figure is not None
    [plot, *_] = figure.axes
    ticks = [label.get_text().replace("\n", "") for label in plot.get_xticklabels()]
    named = {plot.get_xlabel(), plot.get_ylabel(), *ticks}
    assert {f"group.key{k}" for k in range(n_axes)} <= named


def test_jobs_of_another_split_are_not_compared():
    """The objective is of Val, whatever the jobs report."""
    scores = {"rmse_per_image": {"value": 0.1, "low": None, "high": None}}
    test = Row("1", {"run": "b"}, "finished", "Test", None, scores)
    result = SweepResult([row(0.5, run="a"), test])
    assert [point.settings for point in result.points] == [{"run": "a"}]
    assert [point.mean for point in SweepResult([test]).points] == [0.1]


def test_a_value_with_dollar_signs_is_drawn_as_it_is():
    with style():
        figure = sweep_figure(SweepResult([row(0.1, name="${a}_${b}"), row(0.2, name="$x")]))
    assert png(figure)[:4] == b"\x89PNG"


def test_nothing_is_drawn_of_a_sweep_in_which_nothing_varies():
    assert sweep_figure(SweepResult([row(0.5)])) is None


@pytest.mark.parametrize("n_axes", [1, 2, 3, 4, 5])
def test_the_table_has_80_columns_however_many_keys_vary(n_axes, capsys):
    console = Console(width=80)
    console.print(sweep_tables(sweep_over(n_axes)))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "0.1000" in shown  # the best
    assert "…" not in shown
