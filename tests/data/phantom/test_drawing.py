"""Phantoms keep the promises of the real dataset; their task is neither trivial nor hopeless."""

import re
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.config.data import SPLITS
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.data.phantom.dataset import write
from covseg.data.phantom.drawing import Phantom, draw
from listings import listed_paths

N_IMAGES = {"Train": 8, "Val": 4, "Test": 3}
INFECTION = "Infection Segmentation Data/Infection Segmentation Data"
LUNG = "Lung Segmentation Data/Lung Segmentation Data"
NAMES = {
    "COVID-19": r"covid_(\d+)\.png",
    "Non-COVID": r"non_COVID \((\d+)\)\.png",
    "Normal": r"Normal \((\d+)\)\.png",
}


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def same(one: Phantom, other: Phantom) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("image", "infection", "lung")
    )


def auc(brighter: np.ndarray, darker: np.ndarray) -> float:
    """Chance that a pixel of the first set is brighter than one of the second."""
    grey = np.arange(257)
    more = np.histogram(brighter, grey)[0] / brighter.size
    less = np.histogram(darker, grey)[0] / darker.size
    return float(more @ (np.cumsum(less) - less / 2))


@pytest.fixture(scope="module")
def covid() -> list[Phantom]:
    return [draw((3, number), "COVID-19", 128) for number in range(80)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write(folder, 1, N_IMAGES, size=64, lung_tree=True)
    return folder


# --- one phantom


@settings(max_examples=30, deadline=None)
@given(
    seed=st.lists(st.integers(0, 2**32), min_size=1, max_size=4),
    patient_class=st.sampled_from(PATIENT_CLASSES),
    size=st.sampled_from([32, 50, 64, 96, 128]),
)
def test_every_phantom_keeps_the_promises_of_the_real_masks(seed, patient_class, size):
    phantom = draw(seed, patient_class, size)
    for array in (phantom.image, phantom.infection, phantom.lung):
        assert array.shape == (size, size)
        assert array.dtype == np.uint8
    assert set(np.unique(phantom.lung)) == {0, 255}
    assert set(np.unique(phantom.infection)) <= {0, 255}
    assert not np.any(phantom.infection & ~phantom.lung)
    assert phantom.infection.any() == (patient_class == "COVID-19")


@pytest.mark.parametrize("patient_class", PATIENT_CLASSES)
def test_a_seed_gives_the_same_phantom_in_any_order(patient_class):
    first, second = draw((1, 2), patient_class), draw((1, 3), patient_class)
    assert same(second, draw((1, 3), patient_class))
    assert same(first, draw((1, 2), patient_class))
    assert not np.array_equal(first.image, second.image)
    assert not np.array_equal(first.lung, second.lung)


def test_the_global_random_state_is_neither_used_nor_changed():
    np.random.seed(0)  # noqa: NPY002 - the legacy state is what must stay untouched
    before = draw((4,), "COVID-19", 64)
    expected = np.random.RandomState(0).random()
    assert np.random.random() == expected  # noqa: NPY002
    assert same(before, draw((4,), "COVID-19", 64))


def test_the_size_changes_the_resolution_and_not_the_patient():
    large, small = draw((5,), "COVID-19", 256), draw((5,), "COVID-19", 128)
    assert small.image.shape == (128, 128)
    for name in ("infection", "lung"):
        shrunk = cv2.resize(getattr(large, name), (128, 128), interpolation=cv2.INTER_AREA) > 127
        other = getattr(small, name) > 0
        assert 2 * np.sum(shrunk & other) / (shrunk.sum() + other.sum()) > 0.9


# --- many phantoms


def test_areas_spread_as_in_the_real_masks(covid):
    lung = np.array([np.mean(p.lung > 0) for p in covid])
    infection = np.array([np.mean(p.infection > 0) for p in covid])
    assert 0.2 < lung.mean() < 0.3  # real: 0.25
    assert 0.11 < infection.mean() < 0.17  # real: 0.139
    assert infection.min() >= 0.002
    assert infection.max() <= 0.35
    assert np.quantile(infection, 0.1) < 0.06
    assert np.quantile(infection, 0.9) > 0.2
    whole = np.mean([np.array_equal(p.infection, p.lung) for p in covid])
    assert 0.02 < whole < 0.25  # real: 0.13


def test_infection_is_mostly_on_both_sides_and_in_the_lower_half_of_the_lungs(covid):
    both = lower = 0
    for phantom in covid:
        sides = phantom.infection[:, :64].any(), phantom.infection[:, 64:].any()
        rows = [np.nonzero(mask)[0].mean() for mask in (phantom.infection, phantom.lung)]
        both += all(sides)
        lower += rows[0] > rows[1]
    assert both > len(covid) / 2
    assert lower > len(covid) / 2


def test_exposure_is_as_varied_as_in_the_real_images(covid):
    means = np.array([p.image.mean() for p in covid])
    assert 110 < means.mean() < 150  # real: 130 to 142
    assert 12 < means.std() < 30  # real: 19 to 25
    assert 40 < np.mean([p.image.std() for p in covid]) < 65  # real: 53 to 61


@pytest.mark.parametrize("patient_class", ["COVID-19", "Non-COVID"])
def test_an_opacity_is_brighter_than_the_same_lung_without_it(patient_class):
    # The classes of one seed share anatomy and exposure, so that only the opacity differs.
    gains = []
    for number in range(20):
        ill, well = draw((6, number), patient_class, 128), draw((6, number), "Normal", 128)
        assert np.array_equal(ill.lung, well.lung)
        inside = well.lung > 0
        gains.append(ill.image[inside].mean() - well.image[inside].mean())
        outside = cv2.dilate(well.lung, np.ones((15, 15))) == 0
        assert np.abs(ill.image[outside].astype(int) - well.image[outside]).mean() < 6
    assert np.mean(gains) > 5


def test_brightness_in_the_lung_tells_something_but_not_enough(covid):
    partial = [p for p in covid if 0.1 < np.sum(p.infection > 0) / np.sum(p.lung > 0) < 0.9]
    scores = [
        auc(p.image[p.infection > 0], p.image[(p.lung > 0) & (p.infection == 0)]) for p in partial
    ]
    assert 0.6 < np.mean(scores) < 0.85  # 0.5 would be blind, 1 a mere threshold


def test_one_threshold_on_the_whole_image_does_not_solve_the_task(covid):
    # The best threshold of all the images together, on bones and abdomen as well as on lungs.
    truth = np.stack([p.infection > 0 for p in covid])
    image = np.stack([p.image for p in covid])
    dice = [
        2 * np.sum(truth & (image > grey)) / (np.sum(truth) + np.sum(image > grey))
        for grey in range(0, 250, 25)
    ]
    assert max(dice) < 0.4


# --- a dataset


def test_layout_and_names_are_those_of_the_real_dataset(root):
    numbers = Counter()
    for path in files(root):
        *tree, split, patient_class, folder, name = path.split("/")
        assert "/".join(tree) in (INFECTION, LUNG)
        assert split in SPLITS
        match = re.fullmatch(NAMES[patient_class], name)
        assert match, path
        numbers[int(match[1])] += 1
        kinds = {"images", "lung masks"} | ({"infection masks"} if tree[0][0] == "I" else set())
        assert folder in kinds
    assert set(numbers.values()) == {5}  # three files in one tree, two in the other, no reuse
    assert len(numbers) == sum(N_IMAGES.values())


def test_half_are_covid_and_a_quarter_each_the_others(root):
    counts = listed_paths(p for p in files(root) if p[0] == "I").counts()
    assert counts == {
        "Train": {"COVID-19": 4, "Non-COVID": 2, "Normal": 2},
        "Val": {"COVID-19": 2, "Non-COVID": 1, "Normal": 1},
        "Test": {"COVID-19": 1, "Non-COVID": 1, "Normal": 1},
    }


@settings(max_examples=5, deadline=None)
@given(n=st.integers(0, 14))
def test_any_number_of_images_is_divided_without_a_rest(n, tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    calls = []
    write(folder, 0, {"Val": n}, size=32, progress=lambda: calls.append(1))
    found = Counter(p.split("/")[3] for p in files(folder) if "/images/" in p)
    assert len(calls) == found.total() == n
    assert abs(found["COVID-19"] - n / 2) <= 1
    assert found["Non-COVID"] == found["Normal"]
    assert n < 3 or set(found) == set(PATIENT_CLASSES)


def test_files_hold_what_was_drawn(root):
    drawn = 0
    for path, content in files(root).items():
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        assert image.shape == (64, 64)
        assert image.dtype == np.uint8
        if "masks" in path:
            assert set(np.unique(image)) <= {0, 255}
        if "/infection masks/" in path:
            assert image.any() == ("/COVID-19/" in path)
            drawn += 1
    assert drawn == sum(N_IMAGES.values())


def test_the_lung_tree_is_the_same_images_without_infection_masks(root, tmp_path):
    found = files(root)
    second = {p.removeprefix(LUNG): c for p, c in found.items() if p.startswith(LUNG)}
    first = {p.removeprefix(INFECTION): c for p, c in found.items() if p.startswith(INFECTION)}
    assert second == {p: c for p, c in first.items() if "/infection masks/" not in p}
    write(tmp_path, 1, N_IMAGES, size=64)  # without it, the first tree is the same
    assert files(tmp_path) == {p: c for p, c in found.items() if p.startswith(INFECTION)}


def test_no_two_images_are_alike_and_another_seed_gives_others(root, tmp_path):
    write(tmp_path, 2, {"Val": 4}, size=64)
    images = [c for p, c in files(root).items() if p.startswith(INFECTION) and "/images/" in p]
    images += [c for p, c in files(tmp_path).items() if "/images/" in p]
    assert len(set(images)) == sum(N_IMAGES.values()) + 4


def test_a_larger_train_split_leaves_the_other_splits_as_they_are(root, tmp_path):
    write(tmp_path, 1, N_IMAGES | {"Train": 12}, size=64)

    def val(folder: Path) -> set[bytes]:
        return {c for p, c in files(folder).items() if p.startswith(INFECTION) and "/Val/" in p}

    assert val(tmp_path) == val(root)
