"""What the network sees, and what a score is taken on."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from covseg.data.dataset import (
    Draw,
    Sample,
    XrayDataset,
    to_network,
)
from covseg.data.phantom.drawing import draw
from covseg.data.resize import resize_image, resize_mask

SIZES = [16, 48, 64, 100]  # 64 on disk


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.sum(one & other) / (one.sum() + other.sum())


@pytest.fixture(scope="module")
def masks() -> list[np.ndarray]:
    return [draw((8, number), "COVID-19", 256).infection // 255 for number in range(10)]


# --- one sample


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fitting", [True, False])
def test_an_image_travels_as_bytes_of_the_size_that_the_network_sees(size, fitting, store):
    dataset = XrayDataset(store, range(30), ["infection"], size, fitting=fitting)
    assert len(dataset) == 30
    for place in (0, 11, 29):
        image = dataset[place].image
        assert image.shape == (1, size, size)
        assert image.dtype == torch.uint8
        assert image.max() > 127


def test_the_network_sees_every_byte_as_the_float_nearest_to_its_255th_part():
    """Independent reference: NumPy's division, which is correctly rounded."""
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    expected = np.arange(256, dtype=np.float32) / np.float32(255)
    found = to_network(image)
    assert found.dtype == torch.float32
    assert found.shape == image.shape
    assert found.numpy().ravel().tobytes() == expected.tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_scores_are_taken_on_masks_as_they_are_on_disk(size, store):
    dataset = XrayDataset(store, range(30), ["infection"], size)
    for place, sample in enumerate(dataset[place] for place in range(30)):
        assert sample.mask.dtype == torch.uint8
        assert np.array_equal(sample.mask[0], store.masks["infection"][place])


@pytest.mark.parametrize("size", SIZES)
def test_fitting_is_done_on_masks_of_the_size_of_the_image(size, store):
    dataset = XrayDataset(store, range(30), ["infection", "lung"], size, fitting=True)
    sample = dataset[0]
    assert sample.mask.shape == (2, size, size)
    assert sample.mask.dtype == torch.uint8
    assert set(sample.mask.unique().tolist()) == {0, 1}


def test_at_its_size_on_disk_an_image_is_what_is_on_disk(store):
    image = XrayDataset(store, [5], ["infection"], 64)[0].image
    assert np.array_equal(image[0], store.images[5])


@pytest.mark.parametrize("targets", [["infection", "lung"], ["lung", "infection"], ["lung"]])
@pytest.mark.parametrize("fitting", [True, False])
def test_masks_are_stacked_in_the_order_of_the_targets(targets, fitting, store):
    sample = XrayDataset(store, range(30), targets, 64, fitting=fitting)[0]
    expected = np.stack([store.masks[target][0] for target in targets])
    assert np.array_equal(sample.mask, expected)
    assert not np.array_equal(store.masks["lung"][0], store.masks["infection"][0])


def test_a_sample_carries_the_number_of_its_row_and_not_its_place(store):
    rows = store.index.of_split("Val")
    dataset = XrayDataset(store, rows, ["infection"], 32)
    assert [int(dataset[place].row) for place in range(len(rows))] == rows
    assert rows[0] > 0
    sample = dataset[Draw(3, 1)]
    assert sample.row.dtype == torch.int64
    assert int(sample.row) == rows[1]
    assert np.array_equal(sample.image[0], resize_image(store.images[rows[1]], (32, 32)))


def test_a_sample_can_be_changed_without_changing_the_store(store):
    dataset = XrayDataset(store, range(30), ["infection"], 64, fitting=True)
    dataset[0].image.zero_()
    dataset[0].mask.zero_()
    assert dataset[0].image.any()
    assert dataset[0].mask.any()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_collates_samples_into_a_sample(workers, store):
    rows = store.index.of_split("Test")
    dataset = XrayDataset(store, rows, ["infection", "lung"], 32)
    batches = list(DataLoader(dataset, batch_size=4, num_workers=workers))
    assert all(isinstance(batch, Sample) for batch in batches)
    assert [tuple(batch.image.shape) for batch in batches] == [(4, 1, 32, 32), (2, 1, 32, 32)]
    assert [tuple(batch.mask.shape) for batch in batches] == [(4, 2, 64, 64), (2, 2, 64, 64)]
    assert torch.cat([batch.row for batch in batches]).tolist() == rows
    assert torch.equal(batches[1].image[0], dataset[4].image)


# --- resizing


@pytest.mark.parametrize(("size", "ceiling"), [(224, 0.988), (100, 0.97), (64, 0.945)])
def test_a_resized_mask_has_the_ceiling_that_is_quoted_and_plain_nearest_has_not(
    size, ceiling, masks
):
    exact, plain = [], []
    for mask in masks:
        small = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST)
        for resized, scores in ((resize_mask(mask, (size, size)), exact), (small, plain)):
            back = cv2.resize(resized.astype(np.float32), mask.shape)  # bilinearly, as scores do
            scores.append(dice(back > 0.5, mask > 0))
    assert np.mean(exact) > ceiling
    assert np.mean(plain) < np.mean(exact) - 0.01


@pytest.mark.parametrize("size", [100, 224])
def test_a_resized_mask_keeps_its_place(size, masks):
    moves = []
    for mask in masks:
        small = resize_mask(mask, (size, size))
        assert set(np.unique(small)) == {0, 1}
        before, after = (np.argwhere(m).mean(axis=0) + 0.5 for m in (mask, small))
        moves.append(after / size * 256 - before)
    assert np.abs(np.mean(moves, axis=0)).max() < 0.15  # pixels; plain nearest: 0.45 and 1.3


def test_shrinking_takes_the_mean_of_what_a_pixel_covers():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    means = image.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    assert np.abs(resize_image(image, (16, 16)) - means).max() <= 0.5
    for size in (10, 37, 60):
        assert abs(resize_image(image, (size, size)).mean() - image.mean()) < 0.2


def test_growing_is_bilinear():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None, None].double(), size=(100, 100), mode="bilinear"
    )
    assert np.abs(resize_image(image, (100, 100)) - expected[0, 0].numpy()).max() <= 1


@pytest.mark.parametrize("shape", [(40, 64), (64, 40)])
@pytest.mark.parametrize("size", [32, 50, 80])
def test_an_image_that_is_not_square_becomes_square(shape, size):
    image = np.full(shape, 200, np.uint8)
    assert np.array_equal(resize_image(image, (size, size)), np.full((size, size), 200))
    assert np.array_equal(resize_mask(image // 200, (size, size)), np.ones((size, size)))
