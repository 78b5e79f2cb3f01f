"""Every number against numpy, scipy or what was drawn by hand."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import scipy.stats

from covseg.data.audit.statistics import GLOBAL, NAMES, OTHERS, Statistics, statistics
from covseg.data.store import Store
from listings import official, row


def in_memory(image: np.ndarray, infection=None, lung=None, has_lung: bool = True) -> Store:
    only = row("Train", "COVID-19", "a.png", "a", "b", "c" if has_lung else None)
    nothing = np.zeros_like(image)
    masks = {"infection": infection, "lung": lung}
    masks = {name: (nothing if m is None else m)[None] for name, m in masks.items()}
    return Store(official((only,)), "", image[None], masks)


def of(image: np.ndarray, **more) -> dict[str, float]:
    return dict(zip(NAMES, statistics(in_memory(image, **more)).values[0], strict=True))


def test_there_are_twenty_global_statistics_and_each_is_explained():
    assert len(GLOBAL) == 20
    assert all(GLOBAL.values())
    assert all(OTHERS.values())


def test_the_global_statistics_are_those_of_numpy_and_scipy(store):
    found = statistics(store)
    assert found.of_image.shape == (len(store.index.rows), 20)
    for number, image in enumerate(store.images):
        grey = image.astype(float)
        dx, dy = np.diff(grey, axis=1), np.diff(grey, axis=0)
        padded = np.pad(grey, 1, mode="reflect")
        laplacian = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        laplacian -= 4 * grey
        half = len(image) // 2
        counts = np.bincount(image.ravel(), minlength=256)
        expected = {
            "mean": grey.mean(),
            "standard_deviation": grey.std(),
            "skewness": scipy.stats.skew(grey, axis=None),
            "kurtosis": scipy.stats.kurtosis(grey, axis=None, fisher=False),
            "entropy": scipy.stats.entropy(counts, base=2),
            "grey_levels": len(np.unique(image)),
            "black_share": np.mean(image == 0),
            "white_share": np.mean(image == 255),
            "gradient_x": np.abs(dx).mean(),
            "gradient_y": np.abs(dy).mean(),
            "laplacian": laplacian.std(),
            "left_minus_right": grey[:, :half].mean() - grey[:, half:].mean(),
            "top_minus_bottom": grey[:half].mean() - grey[half:].mean(),
        } | {
            f"percentile_{p}": np.percentile(image, p, method="inverted_cdf")
            for p in (1, 5, 25, 50, 75, 95, 99)
        }
        assert set(expected) == set(GLOBAL)
        for name, value in expected.items():
            assert found[name][number] == pytest.approx(value, rel=1e-5, abs=1e-9), name


def test_an_image_of_one_grey_has_finite_numbers():
    found = of(np.full((32, 32), 7, np.uint8))
    assert [name for name in NAMES if np.isnan(found[name])] == ["infected_share_of_lung"]
    assert found["mean"] == found["percentile_50"] == 7
    assert found["entropy"] == found["skewness"] == found["standard_deviation"] == 0


def test_the_smallest_and_the_oddest_sizes_have_finite_numbers():
    for shape in ((8, 8), (9, 31), (8, 64)):
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        found = of(image, lung=np.eye(*shape, dtype=np.uint8))
        assert np.isfinite(list(found.values())).all()


def test_a_letter_in_a_corner_is_a_mark_and_the_same_letter_elsewhere_is_not():
    plain = np.full((256, 256), 60, np.uint8)
    corner, middle = plain.copy(), plain.copy()
    cv2.putText(corner, "R", (14, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, 250, 3)
    cv2.putText(middle, "R", (120, 130), cv2.FONT_HERSHEY_SIMPLEX, 1, 250, 3)
    stroke = np.mean(corner[:64, :64] > 120) / 4  # of four corners
    assert of(plain)["corner_marks"] == of(middle)["corner_marks"] == 0
    assert of(corner)["corner_marks"] == pytest.approx(stroke, rel=0.3)
    edge = plain.copy()
    edge[:, 5:8] = 250  # of the film
    assert of(edge)["corner_marks"] == 0
    everywhere = np.ones_like(plain)
    assert np.isnan(of(corner, lung=everywhere)["corner_marks"])


def test_the_border_is_the_outermost_sixteenth_without_lungs():
    image = np.zeros((64, 64), np.uint8)
    image[4:-4, 4:-4] = 200
    found = of(image)
    assert (found["border_mean"], found["border_deviation"]) == (0, 0)
    assert found["border_black_share"] == 1
    image[:, :4], lung = 90, np.zeros_like(image)
    lung[:, :4] = 1
    assert of(image, lung=lung)["border_black_share"] == 1
    assert of(image)["border_black_share"] < 1


def test_shares_of_masks_are_counted_and_missing_without_lungs():
    lung, infection = np.zeros((2, 64, 64), np.uint8)
    lung[:32], infection[:8] = 1, 1
    image = np.zeros_like(lung)
    found = of(image, lung=lung, infection=infection)
    shares = [found[name] for name in NAMES[-3:]]
    assert shares == [0.5, 0.125, 0.25]
    found = of(image, infection=infection, has_lung=False)
    assert found["infected_share_of_image"] == 0.125
    assert np.isnan([found["lung_share_of_image"], found["infected_share_of_lung"]]).all()


def test_a_statistic_is_found_by_its_name(store):
    found = statistics(replace(store, home=None))
    assert isinstance(found, Statistics)
    means = [image.mean() for image in store.images]
    np.testing.assert_allclose(found["mean"], means, rtol=1e-6)
