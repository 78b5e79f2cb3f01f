"""What a published pair can mean: the truth is never called impossible; known cases by hand."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from covseg.measure.conventions import CONVENTIONS
from covseg.measure.counts import FIELDS, Counts
from covseg.measure.published import PublishedPair, Reading

READ_AS = {"batches": "batches of 8"}


def readings(pair: PublishedPair, n: int = 1166, n_positive: int = 583) -> dict[str, Reading]:
    return {reading.convention: reading for reading in pair.readings(n, n_positive)}


@st.composite
def results(draw: st.DrawFn) -> Counts:
    """The counts of some images: about half without infection, some of them with false alarms."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(4, 60))
    truth = generator.integers(1, 500, n) * (generator.random(n) < 0.6)
    tp = (truth * generator.random(n) ** draw(st.sampled_from([0.1, 1, 3]))).round()
    alarm = (truth > 0) | (generator.random(n) < draw(st.floats(0, 1)))
    fp = (generator.integers(0, 300, n) * alarm * draw(st.sampled_from([0.05, 1]))).round()
    rows = [np.full(n, 1000.0), truth, tp, fp, truth - tp, np.zeros(n), np.zeros(n)]
    return Counts.of(np.stack(rows, axis=1))


@given(results(), st.sampled_from([2, 4]), st.sampled_from([2, 4]), st.sampled_from([1, 100]))
@settings(max_examples=300, deadline=None)
def test_what_a_pair_really_is_is_possible(counts, of_dice, of_iou, scale):
    """However many digits of either are printed, as shares or in per cent."""
    n, n_positive = len(counts.tp), int(counts.positive.sum())
    assume(n_positive > 0)
    names = ("positive", "all, empty = 1", "all, empty = 0", "pooled", "with background, pooled")
    for name in names:
        dice, iou = CONVENTIONS[name].dice(counts), CONVENTIONS[name].iou(counts)
        assume(iou > 0 and not math.isnan(dice))
        printed = round(scale * dice, of_dice), round(scale * iou, of_iou)
        assume(all((value > 1) == (scale == 100) for value in printed))  # 0.5 % looks like a half
        assume(printed[1] <= printed[0])
        reading = readings(PublishedPair.of(*printed), n, n_positive)[name]
        assert reading.possible, (name, dice, iou)
        for value in (reading.dice_positive, reading.iou_positive):
            assert value is None or 0 <= value <= 1


@given(results())
@settings(max_examples=100, deadline=None)
def test_with_the_true_false_alarm_rate_the_positive_images_are_recovered(counts):
    n, n_positive = len(counts.tp), int(counts.positive.sum())
    negative = ~counts.positive
    assume(0 < n_positive < n)
    no_alarm = Counts.of(
        np.stack([getattr(counts, f) * ~(negative & (f == "fp")) for f in FIELDS], 1)
    )
    way = CONVENTIONS["all, empty = 1"]
    pair = PublishedPair(way.dice(no_alarm), way.iou(no_alarm), 1e-6, 1e-6)
    assume(pair.iou > 0)
    reading = readings(pair, n, n_positive)["all, empty = 1"]
    assert reading.reason.startswith("false alarm rate 0 %")
    assert reading.dice_positive == pytest.approx(CONVENTIONS["positive"].dice(no_alarm), abs=1e-9)
    assert reading.iou_positive == pytest.approx(CONVENTIONS["positive"].iou(no_alarm), abs=1e-9)


def test_the_best_published_pair_is_no_pooled_one():
    """88.21 and 83.05 by hand: 0.8821 / (2 - 0.8821) = 0.7891, and 2 * 0.8821 - 1 = 0.7642."""
    of = readings(PublishedPair.of(88.21, 83.05))
    assert not of["pooled"].possible
    assert not of["all, empty = 0"].possible
    assert not of["with background, pooled"].possible
    assert of["positive"].possible
    assert of["all, empty = 1"].dice_positive == pytest.approx(0.7642)
    assert of["all, empty = 1"].iou_positive == pytest.approx(0.6610)


def test_a_mean_over_positive_images_cannot_be_one_over_all():
    """MedSegBench's best: all images would leave a Dice of 0.512 and an IoU of 0.294."""
    of = readings(PublishedPair.of(75.6, 64.7))
    assert [name for name, reading in of.items() if reading.possible] == [
        *("positive", "batches", "with background, pooled")
    ]


def test_a_pooled_pair_is_known_to_its_last_digit():
    assert readings(PublishedPair.of(80.0, 66.67))["pooled"].possible
    assert not readings(PublishedPair.of(80.0, 66.72, decimals=2))["pooled"].possible
    assert readings(PublishedPair.of(0.8, 0.67))["pooled"].possible


@given(st.floats(0.001, 1), st.floats(0.001, 1), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_no_reading_has_a_value_outside_of_0_to_1(one, other, decimals):
    dice, iou = (round(value, decimals) for value in (max(one, other), min(one, other)))
    for reading in readings(PublishedPair.of(dice, iou, decimals)).values():
        assert (reading.dice_positive is None) == (reading.iou_positive is None)
        if reading.dice_positive is not None:
            assert 0 <= reading.iou_positive <= reading.dice_positive <= 1


def test_digits_that_a_number_has_lost_can_be_given():
    """0.70 and 0.60 of all images would leave 0.40 and 0.20; 0.4 / 1.6 = 0.25 is the least."""
    assert readings(PublishedPair.of(0.7, 0.6))["all, empty = 1"].possible
    assert not readings(PublishedPair.of(0.7, 0.6, decimals=2))["all, empty = 1"].possible
    assert not readings(PublishedPair.of(70.0, 60.0, decimals=2))["all, empty = 1"].possible
    # 0.7904 is printed as 0.79, and its IoU as 0.6535
    assert readings(PublishedPair.of(0.79, 0.6535))["pooled"].possible


@pytest.mark.parametrize("pair", [(0.8821, 83.05), (88.21, 0.8305), (0.6, 0.7)])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(ValueError, match=r"per cent|above Dice"):
        PublishedPair.of(*pair)
