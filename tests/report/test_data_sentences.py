"""What own data consists of is said in numbers that can be counted by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import made_up
from covseg.config.data import Dataset
from covseg.data.index import Index, Row
from covseg.data.layouts.folder import folder
from covseg.data.listing import Listing
from covseg.data.reading import Reading
from covseg.data.store import Store, open_store
from covseg.report.data_sentences import sentences


def planes(sizes: list[tuple[int, int]], filled: list[bool]) -> list[np.ndarray]:
    return [np.full(size, int(full), np.uint8) for size, full in zip(sizes, filled, strict=True)]


def made(
    rows: list[Row],
    sizes: list[tuple[int, int]],
    targets: tuple[str, ...] = ("lung",),
    mask_sizes: list[tuple[int, int]] | None = None,
    empty: tuple[int, ...] = (),
) -> tuple[Listing, Store]:
    """A listing and a store of these rows; masks are full, but for those without a file."""
    index = Index(tuple(rows), targets)
    masks = {
        target: planes(
            mask_sizes or sizes,
            [bool(row.masks.get(target)) and n not in empty for n, row in enumerate(rows)],
        )
        for target in targets
    }
    images = planes(sizes, [True] * len(rows))
    source = SimpleNamespace(path=Path("here"))
    return Listing(source, index, Reading()), Store(index, "", images, masks)  # type: ignore[arg-type]


def row(n: int, split: str = "all", patient_class: str = "all", patient: str | None = None) -> Row:
    return Row(split, patient_class, f"{n}", f"{n}.png", {"lung": (f"m/{n}.png",)}, patient)


ROWS = [
    *(row(0, "Test", "sick", "a"), row(1, "Train", "sick", "b"), row(2, "Train", "sick", "b")),
    *(row(3, "Train", "well", "c"), row(4, "Val", "sick", "d")),
]


def test_splits_classes_and_patients_are_counted():
    first, *_ = sentences(*made(ROWS, [(10, 12)] * 5))
    assert first == "5 images: 1 Test, 3 Train, 1 Val; 4 sick, 1 well; 4 patients"


def test_what_the_data_does_not_say_is_said():
    first, *_ = sentences(*made([row(n) for n in range(2)], [(10, 12)] * 2))
    assert first == "2 images: no splits; no classes; no patients"


def test_thousands_are_set_apart():
    first, second, _ = sentences(*made([row(n) for n in range(1234)], [(2, 2)] * 1234))
    assert first.startswith("1,234 images: ")
    assert second == "masks of lung: 1,234, of which 0 are empty"


@pytest.mark.parametrize(
    ("n_without", "empty", "words"),
    [
        (0, (), "masks of lung: 5, of which 0 are empty"),
        (0, (1, 2), "masks of lung: 5, of which 2 are empty"),
        (2, (), "masks of lung: 3, of which 0 are empty; 2 images have none"),
        (2, (4,), "masks of lung: 3, of which 1 are empty; 2 images have none"),
    ],
)
def test_masks_that_are_empty_and_those_that_are_not_there_are_told_apart(n_without, empty, words):
    rows = [replace(row, masks={}) if n < n_without else row for n, row in enumerate(ROWS)]
    _, second, _ = sentences(*made(rows, [(10, 12)] * 5, empty=empty))
    assert second == words


def test_an_image_with_nothing_to_mark_has_an_empty_mask():
    rows = [replace(row, masks={"lung": ()}) if n == 0 else row for n, row in enumerate(ROWS)]
    _, second, _ = sentences(*made(rows, [(10, 12)] * 5))
    assert second == "masks of lung: 5, of which 1 are empty"


def test_every_target_has_a_sentence():
    masks = {"infection": ("i.png",), "lung": ("l.png",)}
    rows = [replace(row, masks=masks if n else {"lung": ("l.png",)}) for n, row in enumerate(ROWS)]
    said = sentences(*made(rows, [(10, 12)] * 5, ("infection", "lung")))
    assert said[1:3] == [
        "masks of infection: 4, of which 0 are empty; 1 images have none",
        "masks of lung: 5, of which 0 are empty",
    ]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([(10, 12)] * 5, "images of 12 x 10 pixels"),
        (
            [(10, 12), (12, 10), (30, 20), (9, 9), (9, 9)],
            "images of 4 sizes, from 9 x 9 to 20 x 30 pixels",
        ),
    ],
)
def test_sizes_are_widths_and_heights_from_the_smallest_to_the_largest(sizes, words):
    assert sentences(*made(ROWS, sizes))[-1] == words


def test_masks_of_another_size_are_said():
    said = sentences(*made(ROWS, [(10, 12)] * 5, mask_sizes=[(10, 12)] * 4 + [(20, 24)]))
    assert said[-2:] == [
        "images of 12 x 10 pixels",
        "masks of 2 sizes, from 12 x 10 to 24 x 20 pixels",
    ]


def test_what_is_left_out_and_what_belongs_to_nothing_is_said():
    listing, store = made(ROWS, [(10, 12)] * 5)
    listing = replace(listing, n_dropped=1200, ignored=("a.png", "b.png"))
    assert sentences(listing, store)[2:4] == [
        "1,200 images without a mask are left out (data.without_mask=drop)",
        "pictures that belong to no image: 2, such as a.png",
    ]


def test_nothing_is_said_of_covid_qu_ex():
    listing, store = made(ROWS, [(10, 12)] * 5)
    listing = replace(listing, index=replace(listing.index, tree="infection"))
    assert sentences(listing, store) == []


def test_real_files_are_described_as_they_are(tmp_path):
    made_up.shenzhen(tmp_path / "data", 14)
    data = Dataset(
        name="folder",
        layout="folder",
        root=str(tmp_path / "data"),
        images="**/CXR_png/{patient}_{patient_class}.png",
        masks={"lung": "**/mask/{name}_mask.png"},
        without_mask="drop",
        cache_dir=str(tmp_path / "cache"),
    )
    listing = folder(data)
    said = sentences(listing, open_store(listing, data.cache_dir))
    assert said == [
        "12 images: no splits; 6 0, 6 1; 12 patients",
        "masks of lung: 12, of which 0 are empty",
        "2 images without a mask are left out (data.without_mask=drop)",
        "images of 12 sizes, from 115 x 100 to 125 x 121 pixels",
    ]
