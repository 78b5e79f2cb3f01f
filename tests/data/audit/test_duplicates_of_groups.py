"""Copies between two groups are those of a search of all images, less those within a group."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import Image, compress, crop, mirror, tone
from covseg.data.audit.duplicates import Pair, duplicates
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.data.phantom.drawing import draw
from covseg.data.planes import Chained

N_STRANGERS = 12
Group = list[Image]


@pytest.fixture(scope="module")
def strangers() -> Group:
    return [draw([n], PATIENT_CLASSES[n % 3], 128).image for n in range(N_STRANGERS)]


def across(pairs: list[Pair], n_first: int) -> list[Pair]:
    return [pair for pair in pairs if pair.first < n_first <= pair.second]


def two_groups(first: Group, second: Group) -> list[Pair]:
    found = duplicates(Chained(first, np.stack(second)), first_group=len(first)).pairs
    assert all(pair.first < len(first) <= pair.second for pair in found)
    return found


@pytest.mark.parametrize("change", [compress, tone, mirror, np.copy])
def test_copies_across_are_those_of_a_search_of_all(change: Callable, strangers):
    rng = np.random.default_rng(0)
    changed = [change(image, rng) if change is not np.copy else image for image in strangers]
    first = [*strangers[:6], *changed[:2]]  # two pairs within a group
    second = [*changed[4:8], *strangers[6:], strangers[7]]
    expected = across(duplicates(np.stack([*first, *second])).pairs, len(first))
    found = two_groups(first, second)
    assert [pair for pair in found if pair.kind != "aligned"] == [
        pair for pair in expected if pair.kind != "aligned"
    ]
    assert {(4, 8), (5, 9)} <= {(pair.first, pair.second) for pair in found}


def test_a_crop_in_the_other_group_is_found(strangers):
    cropped = crop(strangers[3], np.random.default_rng(1))
    found = two_groups(strangers[:6], [*strangers[6:], cropped])
    assert [(pair.first, pair.second) for pair in found] == [(3, N_STRANGERS)]


def test_a_crop_is_found_though_its_own_group_has_closer_copies(strangers):
    """Protects: the few neighbours that are looked at are all of the other group."""
    rng = np.random.default_rng(2)
    many = [compress(tone(strangers[0], rng), rng) for _ in range(6)]
    cropped = crop(strangers[0], rng)
    found = two_groups([*many, *strangers[1:6]], [cropped, *strangers[6:]])
    n_first = len(many) + 5
    assert {(pair.first, pair.second) for pair in found} == {(n, n_first) for n in range(6)}


def test_nothing_within_a_group_is_a_pair(strangers):
    assert two_groups([strangers[0]] * 3, [strangers[1]] * 3) == []


@settings(max_examples=25, deadline=None)
@given(
    first=st.lists(st.integers(0, 4), max_size=6),
    second=st.lists(st.integers(0, 4), min_size=1, max_size=6),
)
def test_every_exact_copy_across_is_found_and_no_other(first, second, strangers):
    found = two_groups([strangers[n] for n in first], [strangers[n] for n in second])
    expected = [
        (a, len(first) + b)
        for a, one in enumerate(first)
        for b, other in enumerate(second)
        if one == other
    ]
    assert [(pair.first, pair.second) for pair in found] == expected
    assert {pair.kind for pair in found} <= {"exact"}


def test_a_group_may_be_empty(strangers):
    assert duplicates(np.stack(strangers[:3]), first_group=0).pairs == []
    assert duplicates(np.stack(strangers[:3]), first_group=3).pairs == []
    assert duplicates(np.stack([strangers[0]] * 2), first_group=0).pairs == []


def test_images_of_any_size_are_compared(strangers):
    smaller = strangers[2][::2, ::2].copy()
    [pair] = two_groups(strangers[:4], [smaller])
    assert (pair.first, pair.second) == (2, 4)


@pytest.mark.parametrize("block", [2, 5])
def test_the_size_of_a_block_changes_nothing(block, strangers, monkeypatch):
    rng = np.random.default_rng(3)
    first, second = strangers[:7], [*(tone(image, rng) for image in strangers[2:5]), *strangers[7:]]
    whole = two_groups(first, second)
    monkeypatch.setattr("covseg.data.audit.duplicates._BLOCK", block)
    again = two_groups(first, second)
    assert [(pair.first, pair.second) for pair in again] == [(p.first, p.second) for p in whole]
    assert len(whole) == 3
