"""Groups of positive images by size, against a selection by hand."""

import numpy as np
import pytest

from covseg.measure.lesion_size import size_groups
from covseg.measure.records import Records
from covseg.measure.scores import dice_of_each

PIXELS = 100.0


def records(truth, tp, fp):
    n = len(truth)
    names = np.array([f"{place:03}.png" for place in range(n)])
    values = np.array(
        [[PIXELS, t, hit, alarm, t - hit, 1.0, 1.0] for t, hit, alarm in zip(truth, tp, fp)]  # noqa: B905
    )
    classes = np.where(np.asarray(truth) > 0, "COVID-19", "Normal")
    return Records(names, np.repeat("Test", n), classes, np.repeat("infection", n), values)


def test_groups_are_of_equal_number_and_in_the_order_of_size():
    draw = np.random.default_rng(0)
    truth = np.concatenate([draw.permutation(np.arange(1, 51)), np.zeros(20)])
    tp = np.floor(truth * draw.random(70))
    of = records(truth, tp, draw.integers(0, 9, 70))
    groups = size_groups(of)
    assert [group.n_images for group in groups] == [13, 13, 12, 12]
    assert [(group.smallest, group.largest) for group in groups] == [
        (0.01, 0.13), (0.14, 0.26), (0.27, 0.38), (0.39, 0.5),
    ]  # fmt: skip
    dice = dice_of_each(of.counts())
    for group in groups:
        inside = (truth / PIXELS >= group.smallest) & (truth / PIXELS <= group.largest)
        value, bounds = group.scores["dice_positive"]
        assert value == pytest.approx(dice[inside].mean())
        assert bounds is not None
        assert bounds[0] <= value <= bounds[1]


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (1, [1]), (3, [1, 1, 1]), (5, [2, 1, 1, 1])])
def test_few_positive_images_make_fewer_groups(n, sizes):
    truth = np.array([*range(1, n + 1), 0.0, 0.0])
    assert [g.n_images for g in size_groups(records(truth, truth, np.zeros(n + 2)))] == sizes


def test_copies_widen_the_interval():
    truth = np.repeat(np.arange(1, 11), 4).astype(float)
    tp = np.floor(truth * np.repeat(np.linspace(0, 1, 10), 4))
    of = records(truth, tp, np.zeros(40))
    families = {key: place // 2 for place, key in enumerate(of.keys)}

    def width(groups):
        low, high = groups[1].scores["dice_positive"][1]
        return high - low

    assert width(size_groups(of, families=families)) > width(size_groups(of))
