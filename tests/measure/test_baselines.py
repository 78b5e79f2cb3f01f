"""The baselines are what they say they are: trivial predictions, scored by the same code."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from covseg.data.store import Store
from covseg.errors import RunError
from covseg.measure import baselines
from covseg.measure.baselines import BaselineStatistics
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from listings import opened

# three fitting masks that overlap more and more, an empty one, and a row to report on
INFECTION = np.array(
    [
        [[1, 1, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 1, 0], [0, 0, 0, 0]],
        [[1, 0, 1, 1], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
        [[1, 1, 0, 0], [1, 1, 0, 0]],
    ]
)
LUNG = np.array([[[1, 1, 1, 1], [0, 0, 0, 0]]] * 4 + [[[1, 1, 1, 0], [0, 0, 0, 0]]])
FITTING = [0, 1, 2, 3]


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return make_store(INFECTION, LUNG)


def of(
    store: Store, rows: list[int] | None = None, targets: tuple[str, ...] = ("infection",)
) -> dict[str, Records]:
    """Fitted on the first four rows, scored on ``rows``."""
    statistics = baselines.fit(store, FITTING, targets)
    return baselines.records(statistics, store, [4] if rows is None else rows, targets)


def mean_dice(prediction: np.ndarray, masks: np.ndarray) -> float:
    overlaps = [(prediction & (mask > 0)).sum() for mask in masks]
    sizes = [prediction.sum() + mask.sum() for mask in masks]
    return float(np.mean([2 * o / s for o, s in zip(overlaps, sizes, strict=True)]))


def test_fitting_learns_the_share_and_the_mean_of_the_positive_masks(store: Store) -> None:
    statistics = baselines.fit(store, FITTING, ["infection"])
    assert statistics.share == pytest.approx([(2 + 3 + 3 + 0) / (4 * 8)])
    thirds = np.array([[[3, 2, 2, 1], [0, 0, 0, 0]]]) / 3
    assert statistics.mean_mask == pytest.approx(thirds)
    # Dice with the masks: all four pixels 4/6, 6/7, 6/7; the first three 4/5, 6/6, 4/6 (better);
    # the first alone 2/3, 2/4, 2/4: the best threshold is the first of those from 1/3 to 2/3
    assert statistics.threshold == pytest.approx([0.34])


def test_predict_nothing_misses_every_infected_pixel(store: Store) -> None:
    records = of(store)["predict_nothing"]
    #                                  n, truth, tp, fp, fn, absolute, squared
    assert records.values.tolist() == [[8, 4, 0, 0, 4, 4, 4]]


def test_a_constant_is_the_share_of_the_fitting_data_everywhere(store: Store) -> None:
    records = of(store)["constant"]
    absolute, squared = 4 * 0.75 + 4 * 0.25, 4 * 0.75**2 + 4 * 0.25**2
    assert records.values.tolist() == [[8, 4, 0, 0, 4, absolute, squared]]


def test_a_constant_above_a_half_predicts_everything(make_store: Callable) -> None:
    masks = np.ones((5, 1, 4))
    masks[:, 0, 3] = 0
    records = of(make_store(masks))["constant"]
    assert records.values[0].tolist() == [4, 3, 3, 1, 0, 3 * 0.25 + 0.75, 3 * 0.25**2 + 0.75**2]


def test_the_mean_mask_predicts_where_the_masks_usually_are(store: Store) -> None:
    records = of(store)["mean_mask"]
    # the first three pixels are predicted, of which two are infected here, as are two more below
    absolute = 0 + 1 / 3 + 2 / 3 + 1 / 3 + 1 + 1
    squared = 0 + 1 / 9 + 4 / 9 + 1 / 9 + 1 + 1
    expected = [8, 4, 2, 1, 2, absolute, squared]
    assert records.values[0].tolist() == pytest.approx(expected, rel=1e-6)


def test_the_lung_mask_is_scored_as_a_prediction(store: Store) -> None:
    records = of(store)["lung_mask"]
    assert records.values.tolist() == [[8, 4, 2, 1, 2, 3, 3]]


@pytest.mark.parametrize("n", [3, 64, 130])
def test_the_threshold_of_the_mean_mask_is_the_best_on_the_fitting_data(
    make_store: Callable, n: int
) -> None:
    draw = np.random.default_rng(n)
    where = draw.random((6, 5)) ** 2  # infection is likelier in some places
    masks = (draw.random((n, 6, 5)) < where).astype(np.uint8)
    masks[::3] = 0
    store = make_store(masks)
    statistics = baselines.fit(store, range(n), ["infection"])
    positives = masks[masks.any((1, 2))]
    mean = (positives.sum(0) / len(positives)).astype(np.float32)
    assert np.array_equal(statistics.mean_mask[0], mean)
    assert statistics.share[0] == pytest.approx(masks.mean(), rel=1e-12)
    best = max(mean_dice(mean > np.float32(step / 100), positives) for step in range(1, 100))
    assert mean_dice(mean > statistics.threshold[0], positives) == pytest.approx(best, abs=1e-6)
    mean_mask = baselines.records(statistics, store, range(n), ["infection"])["mean_mask"]
    assert SCORES["dice_positive"](mean_mask.counts()) == pytest.approx(best, abs=1e-6)


def test_the_reported_rows_teach_the_baselines_nothing(store: Store, make_store: Callable) -> None:
    other = make_store(np.concatenate([INFECTION[:4], 1 - INFECTION[4:]]), LUNG)
    one, two = (baselines.fit(s, FITTING, ["infection"]) for s in (store, other))
    for name in ("share", "mean_mask", "threshold"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_a_mean_mask_of_another_size_is_resized_and_the_truth_is_not(
    store: Store, make_store: Callable
) -> None:
    statistics = baselines.fit(store, FITTING, ["infection"])
    larger = make_store(INFECTION.repeat(2, 1).repeat(2, 2))
    for records in baselines.records(statistics, larger, [4], ["infection"]).values():
        assert records.values[0, :2].tolist() == [32, 16]


def test_without_a_positive_fitting_mask_nothing_is_predicted(make_store: Callable) -> None:
    masks = np.concatenate([np.zeros_like(INFECTION[:4]), INFECTION[4:]])
    of_baselines = of(make_store(masks))
    for name in ("constant", "mean_mask"):
        assert np.array_equal(of_baselines[name].values, of_baselines["predict_nothing"].values)


def test_every_baseline_has_the_same_images_with_their_labels(make_store: Callable) -> None:
    classes = ["COVID-19", "COVID-19", "COVID-19", "Non-COVID", "Normal"]
    of_baselines = of(make_store(INFECTION, LUNG, classes), [4, 3, 0])
    assert list(of_baselines) == ["predict_nothing", "constant", "mean_mask", "lung_mask"]
    for records in of_baselines.values():
        assert records.patient_class.tolist() == ["COVID-19", "Non-COVID", "Normal"]
        assert records.values[:, 1].tolist() == [2, 0, 4]


def test_more_images_than_fit_in_a_block_are_all_scored_once(make_store: Callable) -> None:
    draw = np.random.default_rng(0)
    masks, lungs = draw.integers(0, 2, (2, 130, 3, 4))
    for name, records in of(make_store(masks, lungs), list(range(130))).items():
        assert records.values[:, 1].tolist() == masks.sum((1, 2)).tolist()
        if name == "lung_mask":
            assert records.values[:, 2].tolist() == (masks & lungs).sum((1, 2)).tolist()


def test_the_lung_mask_is_left_out_where_one_is_missing(make_store: Callable) -> None:
    assert "lung_mask" not in of(make_store(INFECTION, np.zeros_like(LUNG), has_lungs=False))


@pytest.mark.parametrize("targets", [("lung",), ("infection", "lung")])
def test_the_lung_mask_is_left_out_for_the_target_lung(
    store: Store, targets: tuple[str, ...]
) -> None:
    of_baselines = of(store, targets=targets)
    lungs = of_baselines.pop("lung_mask", None)
    assert set(() if lungs is None else lungs.target) == set(targets) - {"lung"}
    assert list(of_baselines) == ["predict_nothing", "constant", "mean_mask"]


def test_each_of_several_targets_is_scored_as_if_it_were_alone(make_store: Callable) -> None:
    scattered = np.eye(8)[[0, 1, 2, 3, 0]].reshape(5, 2, 4)  # needs a lower threshold
    store = make_store(INFECTION, scattered)
    together = of(store, [4, 0], ("infection", "lung"))
    for target in ("infection", "lung"):
        alone = of(store, [4, 0], (target,))
        for name, records in together.items():
            if (name, target) == ("lung_mask", "lung"):
                continue
            chosen = records.where(records.target == target)
            assert np.array_equal(chosen.values, alone[name].values)
            assert chosen.name.tolist() == alone[name].name.tolist()


def test_statistics_read_back_as_they_were_written(store: Store, tmp_path: Path) -> None:
    statistics = baselines.fit(store, FITTING, ["infection", "lung"])
    statistics.save(tmp_path / "baselines.npz")
    again = BaselineStatistics.load(tmp_path / "baselines.npz")
    for name, shape in {"share": (2,), "mean_mask": (2, 2, 4), "threshold": (2,)}.items():
        assert np.array_equal(getattr(again, name), getattr(statistics, name))
        assert getattr(again, name).dtype == getattr(statistics, name).dtype
        assert getattr(again, name).shape == shape


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped", "text", "partial"])
def test_damaged_statistics_are_an_error_in_a_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "baselines.npz"
    mean_mask = np.random.default_rng(0).random((1, 64, 64), np.float32)
    BaselineStatistics(np.ones(1), mean_mask, np.ones(1, np.float32)).save(path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "missing":
        path.unlink()
    elif damage == "partial":
        np.savez_compressed(path, share=np.zeros(1))
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        left = {"empty": b"", "truncated": whole[:middle], "flipped": flipped, "text": b"hello"}
        path.write_bytes(left[damage])
    with pytest.raises(RunError, match=r"baselines\.npz cannot be read .*copy the run folder"):
        BaselineStatistics.load(path)


@pytest.mark.real
def test_the_real_test_split_has_the_published_trivial_scores(
    real_archive: Path, tmp_path: Path
) -> None:
    store = opened(real_archive, os.environ.get("COVSEG_CACHE") or tmp_path)
    # only baselines that do not depend on the statistics are used
    nothing = BaselineStatistics(
        np.zeros(1), np.zeros((1, 256, 256), np.float32), np.ones(1, np.float32)
    )
    of_baselines = baselines.records(nothing, store, store.index.of_split("Test"), ["infection"])

    def scores(baseline: str, *names: str) -> list[float | None]:
        return [SCORES[name](of_baselines[baseline].counts()) for name in names]

    assert len(of_baselines["predict_nothing"].name) == 1166
    errors = scores("predict_nothing", "mae", "rmse_per_image", "rmse_pooled", "dice_all")
    assert errors == pytest.approx([0.0695, 0.1728, 0.2636, 0.5000], abs=5e-5)
    overlaps = scores("lung_mask", "dice_positive", "iou_positive")
    assert overlaps == pytest.approx([0.6461, 0.5468], abs=5e-5)


def test_the_mean_mask_of_large_masks_is_small(make_store: Callable[..., Store]) -> None:
    """Protects: of masks of 20 megapixels a hundred thresholds would take 8 GB."""
    masks = np.zeros((3, 600, 700), np.uint8)
    masks[:2, 100:300, :350] = 1
    statistics = baselines.fit(make_store(masks, masks), [0, 1, 2], ["infection"])
    assert statistics.mean_mask.shape == (1, 256, 256)
    assert statistics.share[0] == masks.mean()
    found = baselines.records(statistics, make_store(masks, masks), [0], ["infection"])["mean_mask"]
    assert float(SCORES["dice_positive"](found.counts())) > 0.99
