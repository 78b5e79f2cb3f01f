"""Scores are what scikit-learn, torchmetrics, MONAI and paper and pencil say they are."""

import csv
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import DiceMetric, compute_dice, compute_iou
from sklearn import metrics as sklearn
from sklearn.exceptions import UndefinedMetricWarning
from torchmetrics import MeanAbsoluteError, MeanSquaredError
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from covseg.measure.counts import FIELDS, Counts, count
from covseg.measure.operating_point import OperatingPoint
from covseg.measure.records import Records
from covseg.measure.scores import OBJECTIVE, SCORES
from covseg.measure.summary import summarise

seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=30, deadline=None)
DETECTION = {"detection_sensitivity", "detection_specificity"}


def counted(probability: torch.Tensor, truth: torch.Tensor, min_pixels: int = 1) -> Counts:
    return Counts.of(count(probability, truth, 0.5).flatten(0, 1).numpy(), min_pixels)


def every(counts: Counts) -> dict[str, float | None]:
    return {name: score(counts) for name, score in SCORES.items()}


def test_every_score_of_four_images_by_hand() -> None:
    #     n_pixels, truth, tp, fp, fn, absolute, squared
    counts = [
        [100, 8, 6, 2, 2, 10, 4],  # dice 12/16, iou 6/10, rmse 0.2
        [100, 5, 0, 0, 5, 10, 9],  # missed: dice and iou 0, rmse 0.3
        [100, 0, 0, 0, 0, 2, 1],  # rightly nothing: dice_all and iou_all 1, rmse 0.1
        [100, 0, 0, 3, 0, 18, 16],  # a false alarm: dice_all and iou_all 0, rmse 0.4
    ]
    assert every(Counts.of(np.array(counts), 4)) == pytest.approx(
        {
            "rmse_per_image": (0.2 + 0.3 + 0.1 + 0.4) / 4,
            "rmse_pooled": math.sqrt((4 + 9 + 1 + 16) / 400),
            "mae": (10 + 10 + 2 + 18) / 400,
            "dice_positive": (0.75 + 0) / 2,
            "iou_positive": (0.6 + 0) / 2,
            "dice_all": (0.75 + 0 + 1 + 0) / 4,
            "iou_all": (0.6 + 0 + 1 + 0) / 4,
            "dice_pooled": 2 * 6 / (2 * 6 + 5 + 7),
            "iou_pooled": 6 / (6 + 5 + 7),
            "precision_pooled": 6 / (6 + 5),
            "recall_pooled": 6 / (6 + 7),
            "false_alarm_rate": 1 / 2,
            "miss_rate": 1 / 2,
            "detection_sensitivity": 1 / 2,  # 8 predicted pixels, and 0
            "detection_specificity": 2 / 2,  # 3 are fewer than the 4 that it takes
        },
        rel=1e-15,
    )


def spreadsheet(path: Path, patient_class: str | None, min_pixels: int) -> dict[str, float | None]:
    """Every score computed from the file alone, as with a spreadsheet."""
    with path.open(newline="") as file:
        images = [
            {key: float(value) for key, value in line.items() if key in FIELDS}
            for line in csv.DictReader(file)
            if patient_class in (None, line["patient_class"])
        ]
    positive = [i for i in images if i["truth_pixels"] > 0]
    negative = [i for i in images if i["truth_pixels"] == 0]

    def total(column: str) -> float:
        return math.fsum(i[column] for i in images)

    def mean(values: list[float]) -> float | None:
        return math.fsum(values) / len(values) if values else None

    def ratio(above: float, below: float) -> float | None:
        return above / below if below else None

    def dice(i: dict[str, float]) -> float:
        size = i["tp"] + i["fp"] + i["tp"] + i["fn"]
        return 2 * i["tp"] / size if size else 1.0

    def iou(i: dict[str, float]) -> float:
        union = i["tp"] + i["fp"] + i["fn"]
        return i["tp"] / union if union else 1.0

    tp, fp, fn = total("tp"), total("fp"), total("fn")
    return {
        "rmse_per_image": mean([math.sqrt(i["squared_error"] / i["n_pixels"]) for i in images]),
        "rmse_pooled": math.sqrt(total("squared_error") / total("n_pixels")),
        "mae": total("absolute_error") / total("n_pixels"),
        "dice_positive": mean([dice(i) for i in positive]),
        "iou_positive": mean([iou(i) for i in positive]),
        "dice_all": mean([dice(i) for i in images]),
        "iou_all": mean([iou(i) for i in images]),
        "dice_pooled": ratio(2 * tp, 2 * tp + fp + fn),
        "iou_pooled": ratio(tp, tp + fp + fn),
        "precision_pooled": ratio(tp, tp + fp),
        "recall_pooled": ratio(tp, tp + fn),
        "false_alarm_rate": mean([float(i["tp"] + i["fp"] > 0) for i in negative]),
        "miss_rate": mean([float(i["tp"] + i["fp"] == 0) for i in positive]),
        "detection_sensitivity": mean([float(i["tp"] + i["fp"] >= min_pixels) for i in positive]),
        "detection_specificity": mean([float(i["tp"] + i["fp"] < min_pixels) for i in negative]),
    }


@pytest.mark.parametrize("min_pixels", [1, 20])
def test_every_score_of_a_summary_follows_from_per_image_csv_alone(
    random_case: Callable, make_rows: Callable, tmp_path: Path, min_pixels: int
) -> None:
    rows = make_rows(["COVID-19"] * 5 + ["Non-COVID"] * 4 + ["Normal"] * 3)
    probability, truth = random_case(4, len(rows), 1, (6, 6), (9, 8))
    truth[5:] = 0  # no infection without COVID-19
    counts = count(probability, truth, 0.5).flatten(1).numpy()
    records = Records.of(np.column_stack([range(len(rows)), counts]), rows, ["infection"])
    records.write(tmp_path / "per_image.csv")
    summary = summarise(records, {}, point=OperatingPoint(0.5, min_pixels), objective=None)
    parts = {None: summary["scores"], **summary["by_class"]}
    assert len(parts) == 4
    for patient_class, scores in parts.items():
        expected = spreadsheet(tmp_path / "per_image.csv", patient_class, min_pixels)
        assert scores.keys() == expected.keys()
        for name, score in scores.items():
            assert score["value"] == pytest.approx(expected[name], abs=1e-12), name


@modest
@given(seed=seeds)
def test_pooled_scores_agree_with_scikit_learn(random_case: Callable, seed: int) -> None:
    probability, truth = random_case(seed)
    scores = every(counted(probability, truth))
    t, p = truth.flatten().numpy(), probability.flatten().numpy()
    predicted = p > 0.5
    for name, reference in {
        "dice_pooled": sklearn.f1_score,
        "iou_pooled": sklearn.jaccard_score,
        "precision_pooled": sklearn.precision_score,
        "recall_pooled": sklearn.recall_score,
    }.items():
        if scores[name] is None:
            with pytest.warns(UndefinedMetricWarning):
                reference(t, predicted)
        else:
            assert scores[name] == pytest.approx(reference(t, predicted), abs=1e-12)
    assert scores["mae"] == pytest.approx(sklearn.mean_absolute_error(t, p), rel=1e-5)
    squared = sklearn.mean_squared_error(t, p)
    assert scores["rmse_pooled"] == pytest.approx(math.sqrt(squared), rel=1e-5)


@modest
@given(seed=seeds, min_pixels=st.integers(1, 12))
def test_shares_of_images_agree_with_scikit_learn(
    random_case: Callable, seed: int, min_pixels: int
) -> None:
    probability, truth = random_case(seed, n=9)
    scores = every(counted(probability, truth, min_pixels))
    infected = truth.flatten(1).any(1).numpy()
    predicted = (probability > 0.5).flatten(1).sum(1).numpy()
    called = predicted >= min_pixels
    if infected.any():
        sensitivity = sklearn.recall_score(infected, called)
        assert scores["detection_sensitivity"] == pytest.approx(sensitivity)
        assert scores["miss_rate"] == pytest.approx(
            1 - sklearn.recall_score(infected, predicted > 0)
        )
    if not infected.all():
        specificity = sklearn.recall_score(infected, called, pos_label=0)
        assert scores["detection_specificity"] == pytest.approx(specificity)
        assert scores["false_alarm_rate"] == pytest.approx(
            1 - sklearn.recall_score(infected, predicted > 0, pos_label=0)
        )


@modest
@given(seed=seeds)
def test_means_over_images_agree_with_monai(random_case: Callable, seed: int) -> None:
    probability, truth = random_case(seed, n=6)
    scores = every(counted(probability, truth))
    predicted = (probability > 0.5).float()
    for name, compute in {"dice": compute_dice, "iou": compute_iou}.items():
        positives = compute(predicted, truth.float(), ignore_empty=True)  # NaN: an empty truth
        everything = compute(predicted, truth.float(), ignore_empty=False)
        assert scores[f"{name}_all"] == pytest.approx(everything.mean().item(), abs=1e-6)
        if positives.isnan().all():
            assert scores[f"{name}_positive"] is None
        else:
            expected = positives.nanmean().item()
            assert scores[f"{name}_positive"] == pytest.approx(expected, abs=1e-6)


def test_dice_agrees_with_monais_metric_object(random_case: Callable) -> None:
    probability, truth = random_case(5, n=12)
    scores = every(counted(probability, truth))
    for name, ignore_empty in {"dice_positive": True, "dice_all": False}.items():
        metric = DiceMetric(include_background=True, reduction="mean", ignore_empty=ignore_empty)
        metric((probability > 0.5).float(), truth.float())
        assert scores[name] == pytest.approx(metric.aggregate().item(), abs=1e-6)
    assert scores["dice_positive"] != scores["dice_all"]


@modest
@given(seed=seeds)
def test_errors_and_overlaps_agree_with_torchmetrics(random_case: Callable, seed: int) -> None:
    probability, truth = random_case(seed, n=6)
    scores = every(counted(probability, truth))
    p, t = probability.flatten(1), truth.flatten(1)
    rmse, mae = MeanSquaredError(squared=False), MeanAbsoluteError()
    assert scores["rmse_pooled"] == pytest.approx(rmse(p, t.float()).item(), rel=1e-5)
    assert scores["mae"] == pytest.approx(mae(p, t.float()).item(), rel=1e-5)
    each = [MeanSquaredError(squared=False)(a, b.float()).item() for a, b in zip(p, t, strict=True)]
    assert scores["rmse_per_image"] == pytest.approx(np.mean(each), rel=1e-5)
    dice = binary_f1_score(p, t, multidim_average="samplewise", zero_division=1)
    assert scores["dice_all"] == pytest.approx(dice.mean().item(), abs=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        iou = [
            binary_jaccard_index(a, b, zero_division=1).item() for a, b in zip(p, t, strict=True)
        ]
    assert scores["iou_all"] == pytest.approx(np.mean(iou), abs=1e-6)


def test_a_score_of_what_is_not_there_is_undefined() -> None:
    #                   n, truth, tp, fp, fn, absolute, squared
    blank, sick, missed = [9, 0, 0, 0, 0, 0, 0], [9, 3, 3, 0, 0, 0, 0], [9, 3, 0, 0, 3, 3, 3]

    def undefined(*images: list[int]) -> set[str]:
        return {name for name, value in every(Counts.of(np.array(images))).items() if value is None}

    of_positives = {"dice_positive", "iou_positive", "miss_rate", "detection_sensitivity"}
    of_pixels = {"dice_pooled", "iou_pooled", "precision_pooled", "recall_pooled"}
    of_negatives = {"false_alarm_rate", "detection_specificity"}
    assert undefined(blank, blank) == of_positives | of_pixels
    assert undefined(sick) == of_negatives
    assert undefined(missed) == of_negatives | {"precision_pooled"}
    assert undefined(blank, sick) == set()


def test_an_empty_prediction_of_an_empty_mask_counts_as_one_only_where_all_images_count() -> None:
    blank, half = [9, 0, 0, 0, 0, 0, 0], [9, 2, 1, 1, 1, 2, 2]
    scores = every(Counts.of(np.array([blank, half])))
    assert (scores["dice_all"], scores["iou_all"]) == (0.75, pytest.approx((1 + 1 / 3) / 2))
    assert (scores["dice_positive"], scores["iou_positive"]) == (0.5, pytest.approx(1 / 3))


def test_a_perfect_prediction_has_the_best_of_every_score_and_its_opposite_the_worst() -> None:
    truth = torch.zeros(4, 1, 6, 6)
    truth[:2, :, 2:4, 2:4] = 1
    perfect, opposite = every(counted(truth, truth)), every(counted(1 - truth, truth))
    assert perfect == {name: float(not score.low_is_good) for name, score in SCORES.items()}
    # a positive image is called infected even by its opposite, and so it is not missed
    kept = {"detection_sensitivity": 1.0, "miss_rate": 0.0}
    assert opposite == {name: float(score.low_is_good) for name, score in SCORES.items()} | kept
    nothing = every(counted(torch.zeros_like(truth), truth))
    assert (nothing["detection_sensitivity"], nothing["miss_rate"]) == (0, 1)


@modest
@given(seed=seeds)
def test_scores_do_not_depend_on_the_order_of_images(random_case: Callable, seed: int) -> None:
    values = count(*random_case(seed, n=8), 0.5).flatten(0, 1).numpy()
    order = np.random.default_rng(seed).permutation(8)
    shuffled, expected = every(Counts.of(values[order])), every(Counts.of(values))
    for name in SCORES:
        assert (shuffled[name] is None) == (expected[name] is None)
        assert shuffled[name] is None or shuffled[name] == pytest.approx(expected[name], rel=1e-12)


@modest
@given(seed=seeds)
def test_scores_keep_their_relations(random_case: Callable, seed: int) -> None:
    scores = every(counted(*random_case(seed, n=6)))
    assert scores["rmse_per_image"] <= scores["rmse_pooled"] + 1e-12  # Jensen
    assert scores["rmse_pooled"] ** 2 <= scores["mae"] + 1e-12  # an error is at most 1
    if scores["dice_pooled"] is not None:
        dice, precision, recall = (
            scores[f"{name}_pooled"] for name in ("dice", "precision", "recall")
        )
        assert scores["iou_pooled"] == pytest.approx(dice / (2 - dice))
        if precision and recall:
            assert dice == pytest.approx(2 / (1 / precision + 1 / recall))


@modest
@given(seed=seeds)
def test_the_size_of_a_detection_moves_the_detection_scores_alone(
    random_case: Callable, seed: int
) -> None:
    case = random_case(seed, n=8)
    one, many = every(counted(*case)), every(counted(*case, min_pixels=10))
    assert {name for name in SCORES if one[name] != many[name]} <= DETECTION
    if None not in (one["miss_rate"], one["false_alarm_rate"]):
        assert one["detection_sensitivity"] == pytest.approx(1 - one["miss_rate"])
        assert one["detection_specificity"] == pytest.approx(1 - one["false_alarm_rate"])
        assert many["detection_sensitivity"] <= one["detection_sensitivity"]
        assert many["detection_specificity"] >= one["detection_specificity"]


def test_the_objective_is_a_score_to_be_minimised() -> None:
    assert SCORES[OBJECTIVE].low_is_good
    assert OBJECTIVE == "rmse_per_image"
