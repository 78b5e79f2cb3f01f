"""The metrics see every image once, however images are batched or spread over processes."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.measure import metrics
from covseg.measure.counts import FIELDS, Counts, count
from covseg.measure.image_histograms import ProbabilityHistograms
from covseg.measure.metrics import ImageRecords, ImageScore, all_scores
from covseg.measure.scores import SCORES

seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=25, deadline=None)


def feed(metric: ImageRecords, case: tuple[torch.Tensor, ...], batches: list[list[int]]) -> None:
    probability, truth = case
    for batch in filter(None, batches):
        metric.update(probability[batch], truth[batch], torch.tensor(batch))


def shuffled_batches(seed: int, n: int) -> list[list[int]]:
    draw = np.random.default_rng(seed)
    cuts = sorted(draw.integers(0, n + 1, 2).tolist())
    return [part.tolist() for part in np.split(draw.permutation(n), cuts)]


def by_row(records: torch.Tensor) -> torch.Tensor:
    return records[records[:, 0].argsort()]


def scores_of(case: tuple[torch.Tensor, ...], threshold: float, min_pixels: int) -> dict:
    """What a metric should say, NaN where a score is undefined."""
    counts = Counts.of(count(*case, threshold).flatten(0, 1).numpy(), min_pixels)
    values = {name: score(counts) for name, score in SCORES.items()}
    return {name: math.nan if value is None else value for name, value in values.items()}


@modest
@given(seed=seeds, targets=st.integers(1, 2))
def test_records_do_not_depend_on_batches_or_their_order(
    random_case: Callable, seed: int, targets: int
) -> None:
    case = random_case(seed, 7, targets, (4, 5), (6, 8))
    metric = ImageRecords(0.5)
    feed(metric, case, shuffled_batches(seed, 7))
    records = metric.compute()
    assert records.dtype == torch.float64
    expected = torch.cat([torch.arange(7.0)[:, None], count(*case, 0.5).flatten(1)], dim=1)
    assert torch.equal(by_row(records), expected)


@modest
@given(seed=seeds)
def test_scores_do_not_depend_on_how_images_are_spread(random_case: Callable, seed: int) -> None:
    case = random_case(seed, 7)
    draw = np.random.default_rng(seed)
    here_rows, there_rows = np.split(draw.permutation(7), [draw.integers(1, 7)])
    for name in ("rmse_per_image", "rmse_pooled", "dice_positive", "detection_specificity"):
        here, there = ImageScore(SCORES[name]), ImageScore(SCORES[name])
        feed(here, case, [here_rows.tolist()])
        feed(there, case, [[row] for row in there_rows.tolist()])
        here.merge_state(there)
        expected = scores_of(case, 0.5, 1)[name]
        assert here.compute().item() == pytest.approx(expected, rel=1e-12, nan_ok=True)


@modest
@given(seed=seeds, threshold=st.sampled_from([0.3, 0.5]), min_pixels=st.sampled_from([1, 5]))
def test_the_collection_has_the_scores_of_the_gathered_counts(
    random_case: Callable, seed: int, threshold: float, min_pixels: int
) -> None:
    case = random_case(seed, 6)
    collection = all_scores(threshold, min_pixels)
    feed(collection, case, shuffled_batches(seed, 6))
    scores = {name: value.item() for name, value in collection.compute().items()}
    expected = scores_of(case, threshold, min_pixels)
    assert scores == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_the_collection_counts_a_batch_once_after_the_first(
    random_case: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(arguments)
        return count(*arguments)

    monkeypatch.setattr(metrics, "count", counting)
    case = random_case(1, 8)
    collection = all_scores(0.5, 1)
    feed(collection, case, [[0, 1, 2]])
    assert len(calls) == len(SCORES)  # here it learns that all states are equal
    feed(collection, case, [[3, 4], [5], [6, 7]])
    assert len(calls) == len(SCORES) + 3
    scores = {name: value.item() for name, value in collection.compute().items()}
    assert scores == pytest.approx(scores_of(case, 0.5, 1), rel=1e-12, nan_ok=True)
    collection.reset()  # a second epoch
    feed(collection, case, [[7, 3], [1]])
    assert len(calls) == len(SCORES) + 5
    scores = {name: value.item() for name, value in collection.compute().items()}
    second = tuple(part[[7, 3, 1]] for part in case)
    assert scores == pytest.approx(scores_of(second, 0.5, 1), rel=1e-12, nan_ok=True)


def test_a_score_is_of_the_first_target(random_case: Callable) -> None:
    probability, truth = random_case(2, 5, 2)
    one, other = ImageScore(SCORES["rmse_per_image"]), ImageScore(SCORES["rmse_per_image"])
    feed(one, (probability, truth), [[0, 1, 2], [3, 4]])
    feed(other, (probability[:, :1], truth[:, :1]), [list(range(5))])
    assert one.compute().item() == pytest.approx(other.compute().item(), rel=1e-12)


def test_an_undefined_score_is_nan_here(random_case: Callable) -> None:
    metric = ImageScore(SCORES["dice_positive"])
    feed(metric, (torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)), [[0, 1]])
    assert metric.compute().isnan()
    assert metric.compute().ndim == 0


RANK = """
import json, sys
from pathlib import Path
import torch
import torch.distributed as dist
from covseg.measure.image_histograms import ProbabilityHistograms
from covseg.measure.metrics import ImageRecords, all_scores

rank, folder = int(sys.argv[1]), Path(sys.argv[2])
case = torch.load(folder / "case.pt")
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
records, scores = ImageRecords(0.5), all_scores(0.5, 3)
histograms = ProbabilityHistograms(2)
for batch in [[[4, 0], [2]], [[3, 1]]][rank]:
    batch = torch.tensor(batch)
    for metric in (records, scores, histograms):
        metric.update(case["probability"][batch], case["truth"][batch], batch)
result = {"records": records.compute().tolist()}
result["scores"] = {name: value.item() for name, value in scores.compute().items()}
result["histograms"] = [part.tolist() for part in histograms.compute()]
result["own"] = len(records.records)
(folder / f"{rank}.json").write_text(json.dumps(result))
dist.destroy_process_group()
"""


def test_two_processes_gather_every_image_exactly_once(
    random_case: Callable, tmp_path: Path
) -> None:
    case = random_case(6, 5, 2, (8, 8), (16, 12))
    torch.save(dict(zip(("probability", "truth"), case, strict=True)), tmp_path / "case.pt")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(tmp_path)], env=environment)
        for rank in range(2)
    ]
    try:
        assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
    expected = torch.cat([torch.arange(5.0)[:, None], count(*case, 0.5).flatten(1)], dim=1)
    alone = ProbabilityHistograms(2)
    alone.update(*case, torch.arange(5))
    of_images, sums = alone.compute()
    for rank, batches in enumerate((2, 1)):
        result = json.loads((tmp_path / f"{rank}.json").read_text())
        records = torch.tensor(result["records"], dtype=torch.float64)
        assert records.shape == (5, 1 + 2 * len(FIELDS))  # 3 images here and 2 there, not 6
        assert torch.equal(by_row(records), expected)
        first = tuple(part[:, :1] for part in case)
        assert result["scores"] == pytest.approx(scores_of(first, 0.5, 3), rel=1e-12, nan_ok=True)
        gathered = torch.tensor(result["histograms"][0], dtype=torch.int32)
        assert torch.equal(by_row(gathered), of_images)
        assert result["histograms"][1] == sums.tolist()
        assert result["own"] == batches  # gathering leaves a process with its own images
