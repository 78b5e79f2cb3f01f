"""Copies that were planted are found, whatever was done to them; strangers are no copies."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from changes import Image, compress, crop, mirror, tone, turn
from covseg.data.audit.alignment import aligned
from covseg.data.audit.duplicates import NEAR, Pair, disagreements, duplicates
from covseg.data.audit.hog import hog, mirrored
from covseg.data.copies import families
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.data.phantom.drawing import draw
from covseg.data.store import Store

N_STRANGERS = 40


def all_at_once(image: Image, rng: np.random.Generator) -> Image:
    return mirror(tone(crop(turn(image, rng), rng), rng))


CHANGES = [crop, tone, compress, turn, mirror, all_at_once]


@pytest.fixture(scope="module")
def strangers() -> list[Image]:
    rng = np.random.default_rng(5)
    seeds = rng.integers(1 << 31, size=N_STRANGERS)
    return [draw([int(s)], PATIENT_CLASSES[n % 3]).image for n, s in enumerate(seeds)]


def test_strangers_are_no_copies(strangers):
    assert duplicates(np.stack(strangers)).pairs == []


@pytest.mark.parametrize("change", CHANGES)
def test_every_planted_copy_is_found(change: Callable, strangers):
    rng = np.random.default_rng(0)
    copied = rng.choice(N_STRANGERS, 10, replace=False)
    images = [*strangers, *(change(strangers[source], rng) for source in copied)]
    found = duplicates(np.stack(images)).pairs
    planted = sorted((int(source), N_STRANGERS + n) for n, source in enumerate(copied))
    assert [(pair.first, pair.second) for pair in found] == planted
    assert {pair.mirrored for pair in found} == {change in (mirror, all_at_once)}
    assert all(pair.correlation >= NEAR for pair in found)


def test_the_nearest_others_fit_and_are_no_copies(strangers):
    images = np.stack([*strangers, tone(strangers[0], np.random.default_rng(0))])
    found = duplicates(images)
    assert 0 < len(found.nearest) <= 6
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, len(strangers))]
    likeness = [other.likeness for other in found.nearest]
    assert likeness == sorted(likeness, reverse=True)
    assert max(likeness) < 1
    for other in found.nearest:
        second = images[other.second]
        turned = np.fliplr(second) if other.mirrored else second
        assert other.fit == aligned(images[other.first], np.ascontiguousarray(turned))


def test_the_same_pixels_are_an_exact_copy(strangers):
    found = duplicates(np.stack([*strangers[:3], strangers[1], strangers[1]])).pairs
    assert found == [Pair(a, b, "exact", False, 1.0) for a, b in ((1, 3), (1, 4), (3, 4))]
    assert families((pair.first, pair.second) for pair in found) == [[1, 3, 4]]


@pytest.mark.parametrize("n_images", [1, 2, 3])
def test_few_images_or_grey_ones_are_no_trouble(n_images):
    grey = np.full((n_images, 32, 32), 7, np.uint8)
    assert [(p.first, p.second, p.kind) for p in duplicates(grey).pairs] == [
        (0, n, "exact") for n in range(1, n_images)
    ]


def test_all_pairs_are_compared_whatever_the_block(strangers, monkeypatch):
    images = np.stack([*strangers[:9], *strangers[3:6]])
    whole = duplicates(images).pairs
    monkeypatch.setattr("covseg.data.audit.duplicates._BLOCK", 2)
    assert duplicates(images).pairs == whole
    assert len(whole) == 3


def test_correlation_is_pearsons(strangers):
    rng = np.random.default_rng(1)
    images = np.stack([strangers[0], compress(strangers[0], rng)])
    [pair] = duplicates(images).pairs
    small = [cv2.resize(i, (64, 64), interpolation=cv2.INTER_AREA).ravel() for i in images]
    assert pair.correlation == pytest.approx(np.corrcoef(*small)[0, 1], abs=1e-6)


# --- what they rest on


def test_gradients_in_the_mirror_are_those_of_the_mirrored_image(strangers):
    straight = np.stack([hog(image) for image in strangers[:5]])
    swapped_first = np.stack([hog(image[:, ::-1].copy()) for image in strangers[:5]])
    assert mirrored(straight) == pytest.approx(swapped_first, abs=0.02)
    assert np.abs(mirrored(straight) - straight).max() > 0.05


def test_gradients_are_blind_to_exposure(strangers):
    darker = (strangers[0] * 0.5 + 20).astype(np.uint8)
    assert float(hog(strangers[0]) @ hog(darker)) > 0.98
    assert float(np.linalg.norm(hog(strangers[0]))) == pytest.approx(1, abs=1e-5)


def test_a_shift_is_undone(strangers):
    shifted = cv2.warpAffine(strangers[0], np.float32([[1, 0, 9], [0, 1, -6]]), (256, 256))
    fit = aligned(strangers[0], shifted)
    assert fit.correlation > 0.995
    assert fit.detail > 0.9
    assert aligned(strangers[0], strangers[1]).detail < 0.6


@pytest.mark.parametrize("mirrored", [False, True])
def test_masks_of_copies_are_compared(store: Store, mirrored: bool) -> None:
    first, second = store.index.of_split("Train")[:2]  # any two: the pair says that they are copies
    [finding] = disagreements([Pair(first, second, "near", mirrored, 0.98)], store)
    one, other = (store.masks["infection"][row] > 0 for row in (first, second))
    other = other[:, ::-1] if mirrored else other
    assert (finding.a, finding.b) == tuple(store.index.rows[row].key for row in (first, second))
    assert finding.value == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_masks_of_aligned_copies_do_not_lie_over_each_other(store: Store) -> None:
    assert list(disagreements([Pair(0, 1, "aligned", False, 0.98)], store)) == []
