"""One picture for (seed, epoch, row), whoever draws it; the image and its masks move together."""

import random
from functools import partial
from types import SimpleNamespace

import albumentations as A
import cv2
import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from covseg.config.data import Data
from covseg.data.augment import Augment, check
from covseg.data.datamodule import XrayDataModule
from covseg.data.dataset import Draw, XrayDataset
from covseg.errors import DataError
from covseg.validation import targets

DRAWS = [Draw(epoch, place) for epoch in (0, 1) for place in range(12)]


def augment(seed: int = 7) -> Augment:
    return Augment(
        [
            A.HorizontalFlip(p=0.5),
            A.Affine(rotate=(-20, 20), translate_percent=(-0.1, 0.1), p=1.0),
            A.RandomBrightnessContrast(p=1.0),
        ],
        seed,
    )


def fitting(store, seed=7, rows=range(12)):
    return XrayDataset(store, rows, ["infection"], 32, fitting=True, augment=augment(seed))


def pictures(dataset, draws, workers, batch_size=2):
    """The bytes of image and mask of every draw, as a loader with these workers gives them."""
    loader = DataLoader(dataset, batch_size=batch_size, sampler=draws, num_workers=workers)
    samples = [
        image.numpy().tobytes() + mask.numpy().tobytes()
        for batch in loader
        for image, mask in zip(batch.image, batch.mask, strict=True)
    ]
    return dict(zip(draws, samples, strict=True))


@pytest.fixture(scope="module")
def expected(store):
    return pictures(fitting(store), DRAWS, 0)


# --- who draws does not matter


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_draws_the_same_pictures(workers, store, expected):
    assert pictures(fitting(store), DRAWS, workers) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_any_order_and_batch_size_draws_the_same_pictures(workers, store, expected):
    order = [DRAWS[n] for n in np.random.default_rng(0).permutation(len(DRAWS))]
    assert pictures(fitting(store), order, workers, batch_size=5) == expected


def test_a_run_that_goes_on_in_the_middle_draws_the_same_pictures(store, expected):
    rest = DRAWS[17:]
    assert pictures(fitting(store), rest, 0) == {draw: expected[draw] for draw in rest}


def test_other_random_numbers_neither_matter_nor_are_changed(store, expected):
    L.seed_everything(3, verbose=False)
    others = [torch.rand(1).item(), np.random.random(), random.random()]  # noqa: NPY002
    L.seed_everything(3, verbose=False)
    sample = fitting(store)[DRAWS[1]]
    assert others == [torch.rand(1).item(), np.random.random(), random.random()]  # noqa: NPY002
    assert sample.image.numpy().tobytes() + sample.mask.numpy().tobytes() == expected[DRAWS[1]]


def test_the_number_of_the_row_counts_and_not_its_place(store):
    part = pictures(fitting(store, rows=[4, 9]), [Draw(1, 0), Draw(1, 1)], 0)
    whole = pictures(fitting(store), [Draw(1, 4), Draw(1, 9)], 0)
    assert list(part.values()) == list(whole.values())


# --- other pictures


def test_epochs_rows_and_seeds_draw_other_pictures():
    image = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    drawn = {
        augment(seed)(image, image[None] // 128, epoch=epoch, row=row)[0].tobytes()
        for seed in (0, 1, 2)
        for epoch in range(4)
        for row in range(10)
    }
    assert len(drawn) == 3 * 4 * 10


def test_rows_and_epochs_are_no_sum():
    image = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)
    draw = augment(0)
    one, other = (draw(image, image[None], epoch=e, row=r)[0] for e, r in ((1, 0), (0, 1)))
    assert not np.array_equal(one, other)


class Naive(Dataset):
    """As documentations show it: a Compose in a dataset; every image is the same here."""

    def __init__(self):
        self.compose = A.Compose([A.Affine(rotate=(-45, 45), p=1.0)], seed=1)
        self.image = np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8)

    def __len__(self):
        return 8

    def __getitem__(self, place):
        return torch.from_numpy(self.compose(image=self.image)["image"])


class Cured(Naive):
    """The same with Augment."""

    def __init__(self):
        super().__init__()
        self.augment = Augment([A.Affine(rotate=(-45, 45), p=1.0)], 1)

    def __getitem__(self, draw):
        image, _ = self.augment(self.image, self.image[None], epoch=draw.epoch, row=draw.place)
        return torch.from_numpy(image)


def two_epochs(dataset, epochs):
    return [
        [image.numpy().tobytes() for image in DataLoader(dataset, None, sampler=e, num_workers=2)]
        for e in epochs
    ]


def test_without_the_cure_workers_and_epochs_repeat_each_other():
    L.seed_everything(1, workers=True, verbose=False)
    first, second = two_epochs(Naive(), [range(8), range(8)])
    assert first[::2] == first[1::2], "albumentations is mended: is the cure still needed?"
    assert first == second
    assert len(set(first + second)) == 4  # of 16


def test_with_the_cure_no_picture_repeats():
    first, second = two_epochs(Cured(), [[Draw(epoch, n) for n in range(8)] for epoch in (0, 1)])
    assert len(set(first + second)) == 16


# --- the image and its masks


def test_the_image_and_its_masks_move_together():
    spatial = Augment([A.HorizontalFlip(p=0.5), A.Affine(rotate=(-30, 30), scale=(0.8, 1.2))], 3)
    mask = np.zeros((64, 64), np.uint8)
    cv2.ellipse(mask, (20, 40), (12, 7), 20, 0, 360, 1, -1)
    masks = np.stack([mask, mask[::-1]])
    moved = 0
    for row in range(20):
        image, (one, other) = spatial(mask * 255, masks, epoch=0, row=row)
        assert one.dtype == np.uint8
        assert set(np.unique(one)) == {0, 1}
        assert np.mean((image > 127) != one) < 0.01  # bilinear against nearest, at the edge
        assert not np.array_equal(one, other)
        moved += np.mean(one != mask) > 0.02
    assert moved > 10


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("name", sorted(n for n in targets() if n.startswith("albumentations.")))
def test_every_transform_that_can_be_configured_is_repeatable_and_keeps_masks_masks(
    name, n_targets, store
):
    options = {"rotate": (-20, 20)} if name.endswith("Affine") else {}  # its default is no move
    transform = partial(getattr(A, name.rpartition(".")[2]), p=1.0, **options)
    masks = np.stack([store.masks[target][0] for target in ("infection", "lung")[:n_targets]])
    image = np.asarray(store.images[0])
    fresh, used = (Augment([transform()], 5) for _ in range(2))
    for epoch in range(3):
        used(image, masks, epoch=epoch, row=3)  # earlier uses must not shift the stream
    (one, one_masks), (other, other_masks) = (
        augment(image, masks, epoch=9, row=2) for augment in (fresh, used)
    )
    assert np.array_equal(one, other)
    assert np.array_equal(one_masks, other_masks)
    assert (one.shape, one.dtype) == ((64, 64), np.uint8)
    assert (one_masks.shape, one_masks.dtype) == ((n_targets, 64, 64), np.uint8)
    assert set(np.unique(one_masks)) == {0, 1}
    assert not np.array_equal(one, image)


def test_no_transform_is_no_change(store):
    masks = store.masks["lung"][0][None]
    image, moved = Augment([], 0)(np.asarray(store.images[0]), masks, epoch=2, row=0)
    assert np.array_equal(image, store.images[0])
    assert np.array_equal(moved, masks)


# --- through Lightning


class Recorder(L.LightningModule):
    """Learns nothing; writes down what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = []

    def training_step(self, batch, number):
        for image, mask, row in zip(batch.image, batch.mask, batch.row, strict=True):
            picture = image.numpy().tobytes() + mask.numpy().tobytes()
            self.seen.append((self.current_epoch, int(row), picture))
        return self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trained(phantom, cache, workers):
    data = Data(
        name="phantom",
        root=str(phantom),
        cache_dir=str(cache),
        targets=["infection"],
        image_size=32,
        batch_size=4,
        num_workers=workers,
    )
    module = XrayDataModule(
        data, fit=["Train"], select=None, report="Val", seed=7, augment=augment()
    )
    recorder = Recorder()
    L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=cache,
    ).fit(recorder, module)
    return recorder.seen, module


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers and logging steps
def test_a_trainer_with_persistent_workers_gives_every_epoch_its_own_pictures(phantom, tmp_path):
    seen, module = trained(phantom, tmp_path, 2)
    assert seen == trained(phantom, tmp_path, 0)[0]
    rows = module.rows("Train")
    dataset = XrayDataset(module.store, rows, ["infection"], 32, fitting=True, augment=augment())
    for epoch, row, picture in seen:
        sample = dataset[Draw(epoch, rows.index(row))]
        assert picture == sample.image.numpy().tobytes() + sample.mask.numpy().tobytes()
    assert len(seen) == len({picture for *_, picture in seen}) == 32
    orders = [[row for e, row, _ in seen if e == epoch] for epoch in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1]) == rows
    assert orders[0] != orders[1]


# --- what a transform may do


@pytest.mark.parametrize(
    ("transform", "fault"),
    [
        (A.Affine(rotate=(-10, 10), fill_mask=255, p=0.01), "makes masks with the value 255"),
        (A.CoarseDropout(fill_mask=3), "makes masks with the value 3"),
        (A.Affine(rotate=(-10, 10), fill_mask=1), "marks pixels of an empty mask as infected"),
        (
            A.Affine(rotate=(-30, 30), mask_interpolation=cv2.INTER_LANCZOS4),
            "makes masks with the value 2",
        ),
        (A.Affine(rotate=(5, 10), fit_output=True), "makes images of uint8 ["),
        (A.ToFloat(), "makes images of float32 [32, 32], expected uint8 [32, 32]"),
    ],
)
def test_a_transform_that_breaks_image_or_mask_is_found_however_rarely_it_is_applied(
    transform, fault
):
    assert check(transform, 32).startswith(fault)


@pytest.mark.parametrize("name", sorted(t for t in targets() if t.startswith("albumentations.")))
def test_the_transforms_that_covseg_offers_break_nothing_as_they_come(name):
    assert check(getattr(A, name.rpartition(".")[2])(), 32) is None


def test_a_transform_that_is_never_applied_may_be_tried_out():
    assert check(A.HorizontalFlip(p=0.0), 32) is None


def test_trying_a_transform_out_changes_nothing_of_what_it_draws_later(store, expected):
    made = augment()
    for transform in made._compose.transforms:
        check(transform, 32)
    dataset = XrayDataset(store, range(12), ["infection"], 32, fitting=True, augment=made)
    assert pictures(dataset, DRAWS, 0) == expected


def test_a_mask_that_is_none_stops_training_before_the_loss_sees_it(phantom, tmp_path):
    """Protects: what a transform does once in a thousand times is not seen when it is tried out."""

    class Rare(Augment):
        def __call__(self, image, masks, *, epoch, row):
            return image, np.full_like(masks, 7) if row == 8 else masks

    data = Data(
        name="covid_qu_ex", root=str(phantom), targets=["infection"], image_size=32, batch_size=16,
        num_workers=0, cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    module = XrayDataModule(
        data, fit=["Train"], select=None, report="Test", seed=0, augment=Rare([], 0)
    )
    module.setup()
    module.trainer = SimpleNamespace(
        training=True,
        world_size=1,
        global_rank=0,
        overfit_batches=0,
        current_epoch=0,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )
    [batch] = module.train_dataloader()
    assert 8 in batch.row
    with pytest.raises(DataError, match=r"has the value 7 after augmentation"):
        module.on_before_batch_transfer(batch, 0)
