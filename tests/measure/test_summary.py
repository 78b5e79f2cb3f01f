"""summary.json says every score with its interval, by class, beside the baselines; never NaN."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from covseg.data.store import Store
from covseg.measure import baselines
from covseg.measure.counts import count
from covseg.measure.intervals import intervals
from covseg.measure.operating_point import OperatingPoint
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.measure.severity import Severity
from covseg.measure.summary import by_target, summarise, write_summary

CLASSES = ["COVID-19"] * 6 + ["Non-COVID"] * 3 + ["Normal"] * 3
BASELINES = ["predict_nothing", "constant", "mean_mask", "lung_mask"]
Made = tuple[Records, dict[str, Records]]


@pytest.fixture
def make(random_case: Callable, make_store: Callable[..., Store]) -> Callable[..., Made]:
    """Targets -> records of twelve images, and of their baselines."""

    def records(*targets: str, order: np.ndarray | None = None) -> Made:
        probability, truth = random_case(8, len(CLASSES), 2)
        truth[6:, 0] = 0  # no infection without COVID-19
        truth[:6, 0, :2] = 1
        store = make_store(truth[:, 0].numpy(), truth[:, 1].numpy(), CLASSES)
        places = [("infection", "lung").index(target) for target in targets]
        counts = count(probability[:, places], truth[:, places], 0.5).flatten(1).numpy()
        numbers = np.arange(len(CLASSES)) if order is None else order
        gathered = np.column_stack([numbers, counts[numbers]])
        statistics = baselines.fit(store, range(0, len(CLASSES), 2), targets)
        return (
            Records.of(gathered, store.index.rows, targets),
            baselines.records(statistics, store, numbers.tolist(), targets),
        )

    return records


def summary_of(made: Made, objective: float | None = 0.25, min_pixels: int = 3) -> dict[str, Any]:
    return summarise(*made, point=OperatingPoint(0.5, min_pixels), objective=objective)


def shape(value: Any) -> Any:
    """The keys of a summary in their order, its numbers forgotten."""
    return {key: shape(part) for key, part in value.items()} if isinstance(value, dict) else "..."


INTERVAL = {"value": "...", "low": "...", "high": "..."}
FULL = dict.fromkeys(SCORES, INTERVAL)
PLAIN = dict.fromkeys(SCORES, "...")
CLASS_NAMES = ("COVID-19", "Non-COVID", "Normal")
HEAD = {
    **dict.fromkeys(("threshold", "detection_min_pixels"), "..."),
    "objective": {"name": "...", "value": "..."},
}


SEVERITY = {
    **dict.fromkeys(("n_images", "mean_share"), "..."),
    **dict.fromkeys(("mean_absolute_error", "mean_error"), INTERVAL),
    "predict_nothing": "...",
}


def body(baseline_names: list[str]) -> dict[str, Any]:
    plain = {"scores": PLAIN, "by_class": dict.fromkeys(CLASS_NAMES, PLAIN)}
    return {
        "n_images": "...",
        "n_positive": "...",
        "scores": FULL,
        "by_class": dict.fromkeys(CLASS_NAMES, FULL),
        "baselines": dict.fromkeys(baseline_names, plain),
        "without_leaks": "...",
    }


def test_a_summary_has_exactly_its_structure(make: Callable) -> None:
    assert shape(summary_of(make("infection"))) == {**HEAD, **body(BASELINES)}
    without = summary_of(make("infection"), objective=None)
    assert shape(without) == {**HEAD, **body(BASELINES), "objective": "..."}
    assert without["objective"] is None


def test_a_summary_of_several_targets_has_the_same_under_each(make: Callable) -> None:
    both = make("infection", "lung")
    summary = summary_of(both)
    assert shape(summary) == {
        **HEAD,
        "targets": {"infection": body(BASELINES), "lung": body(BASELINES[:3])},
        "severity": {"n_undefined": "...", "all": SEVERITY, "positive": SEVERITY},
    }
    assert summary["severity"]["all"] == Severity.of(both[0]).summary()["all"]
    assert by_target(summary) == summary["targets"]
    for target in ("infection", "lung"):
        records, of = make(target)
        alone = summary_of((records, of))
        assert by_target(alone) == {"": alone}
        assert {**alone, **by_target(summary)[target]} == alone


def test_without_leaks_is_the_summary_of_the_other_images(make: Callable) -> None:
    records, of = make("infection")
    families = {key: n for n, key in enumerate(records.keys)}
    leaks = {records.keys[0], records.keys[7]}
    asked = {"point": OperatingPoint(0.5, 3), "objective": None, "families": families}
    without = summarise(records, of, **asked, leaks=leaks)["without_leaks"]
    rest = np.array([key not in leaks for key in records.keys])
    others = {name: baseline.where(rest) for name, baseline in of.items()}
    expected = summarise(records.where(rest), others, **asked, leaks=set())
    assert without["n_images"] == 10
    assert without == {key: expected[key] for key in without}
    assert expected["without_leaks"] == without
    nothing = summarise(records, of, **asked, leaks=set(records.keys))["without_leaks"]
    assert nothing["n_images"] == 0
    assert {entry["value"] for entry in nothing["scores"].values()} == {None}


def test_copies_are_drawn_together(make: Callable) -> None:
    records, of = make("infection")
    asked = {"point": OperatingPoint(0.5, 3), "objective": None}
    alone = summarise(records, of, **asked)["scores"]["rmse_per_image"]
    together = summarise(records, of, **asked, families=dict.fromkeys(records.keys, 0))
    entry = together["scores"]["rmse_per_image"]  # one family: nothing can be said of others
    assert (entry["value"], entry["low"], entry["high"]) == (alone["value"], None, None)
    pairs = {key: number // 2 for number, key in enumerate(records.keys)}
    in_pairs = summarise(records, of, **asked, families=pairs)["scores"]["rmse_per_image"]
    assert (in_pairs["low"], in_pairs["high"]) != (alone["low"], alone["high"])
    assert alone["low"] < alone["value"] < alone["high"]


def test_the_head_says_what_was_scored_and_how(make: Callable) -> None:
    records, of = make("infection")
    summary = summarise(records, of, point=OperatingPoint(0.4, 7), objective=0.125)
    assert (summary["n_images"], summary["n_positive"]) == (12, 6)
    assert (summary["threshold"], summary["detection_min_pixels"]) == (0.4, 7)
    assert summary["objective"] == {"name": "rmse_per_image", "value": 0.125}


def test_every_value_is_the_score_of_the_records_of_its_class(make: Callable) -> None:
    records, of = make("infection")
    summary = summary_of((records, of))
    for patient_class in (None, *CLASS_NAMES):
        chosen = np.full(12, True) if patient_class is None else np.equal(CLASSES, patient_class)

        def part(of_all: dict[str, Any], name: str | None = patient_class) -> dict[str, Any]:
            return of_all["scores"] if name is None else of_all["by_class"][name]

        counts = records.where(chosen).counts(3)
        bounds = intervals(SCORES, counts, np.array(CLASSES)[chosen])
        for name, score in SCORES.items():
            low, high = bounds[name] or (None, None)
            expected = {"value": score(counts), "low": low, "high": high}
            assert part(summary)[name] == expected
            for baseline, theirs in of.items():
                value = part(summary["baselines"][baseline])[name]
                assert value == score(theirs.where(chosen).counts(3))


def test_an_undefined_score_is_null_with_its_interval(make: Callable) -> None:
    summary = summary_of(make("infection"))
    nothing = {"value": None, "low": None, "high": None}
    assert summary["by_class"]["Normal"]["dice_positive"] == nothing
    assert summary["by_class"]["Normal"]["miss_rate"] == nothing
    assert summary["by_class"]["COVID-19"]["false_alarm_rate"] == nothing
    assert summary["baselines"]["predict_nothing"]["scores"]["precision_pooled"] is None
    assert None not in summary["scores"]["dice_positive"].values()


@pytest.mark.parametrize("targets", [("infection",), ("infection", "lung")])
def test_the_file_is_strict_json_and_reads_back_equal(
    make: Callable, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    summary = summary_of(make(*targets))
    write_summary(summary, tmp_path / "summary.json")
    text = (tmp_path / "summary.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == summary
    assert "null" in text


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary({"scores": {"mae": float("nan")}}, tmp_path / "summary.json")
    assert not (tmp_path / "summary.json").exists()


def test_the_order_in_which_images_came_changes_nothing(make: Callable) -> None:
    shuffled = np.random.default_rng(0).permutation(len(CLASSES))
    one, other = summary_of(make("infection")), summary_of(make("infection", order=shuffled))
    assert one == other


def test_the_size_of_a_detection_counts_for_network_and_baselines_alike(make: Callable) -> None:
    made = make("infection")
    small, large = (summary_of(made, min_pixels=pixels) for pixels in (1, 10_000))
    for scores in (small["baselines"]["lung_mask"]["scores"], values(small["scores"])):
        assert scores["detection_sensitivity"] > 0
    for scores in (large["baselines"]["lung_mask"]["scores"], values(large["scores"])):
        assert scores["detection_sensitivity"] == 0
        assert scores["detection_specificity"] == 1


def values(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: score["value"] for name, score in scores.items()}
