"""With tables and folders of your own.

Six images of 24 pixels with their masks, and what people and programs do to them.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TRAIN = ("train", "experiment=debug", "callbacks=none", "data.cache_dir=cache")
TABLE = ("data=table", "data.root=own/rows.csv")
FOLDER = ("data=folder", "data.root=own", "data.images=images/*.png")
MASKS = "data.masks.infection=masks/{name}_mask.png"
SIDE = 24
HEADER = "image,split,patient_class,patient,infection"


def image(n: int) -> str:
    return f"images/chest_{n}.png"


def mask(n: int) -> str:
    return f"masks/chest_{n}_mask.png"


def write(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)


def lesion(value: int = 255) -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[8:14, 6:12] = value
    return pixels


def line(n: int) -> list[str]:
    """The cells of an image."""
    split = ("Train", "Train", "Val", "Val", "Test", "Test")[n]
    return [image(n), split, "sick", f"p{n}", mask(n)]


def rows(own: Path, change: Callable[[list[list[str]]], Any] = lambda _: None) -> None:
    """Write the table with a change to its lines."""
    lines = [HEADER.split(","), *map(line, range(6))]
    change(lines)
    own.joinpath("rows.csv").write_text("".join(f"{','.join(cells)}\n" for cells in lines))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The folder with images, masks and a table that are as they should be."""
    folder = tmp_path / "own"
    random = np.random.default_rng(0)
    for n in range(6):
        write(folder / image(n), random.integers(0, 256, (SIDE, SIDE), np.uint8))
        write(folder / mask(n), lesion())
    rows(folder)
    return folder


@pytest.fixture
def refused(said: Any, own: Path, tmp_path: Path) -> Callable[..., str]:
    """Train on the data, and see it refused without a trace."""

    def refused(*words: str) -> str:
        sentence = said.refused(*TRAIN, *words)
        assert {path.suffix for path in (tmp_path / "cache").glob("*")} <= {".lock"}
        assert not list(tmp_path.glob("outputs/*/*"))
        return sentence

    return refused


def put(line: int, column: str, value: str) -> Callable[[list[list[str]]], None]:
    """Change a cell; line 1 is the header."""

    def change(lines: list[list[str]]) -> None:
        lines[line - 1][HEADER.split(",").index(column)] = value

    return change


def without(column: str) -> Callable[[list[list[str]]], None]:
    def change(lines: list[list[str]]) -> None:
        place = lines[0].index(column)
        for cells in lines:
            del cells[place]

    return change


def keep_header(lines: list[list[str]]) -> None:
    del lines[1:]


def name_all(lines: list[list[str]], name: str) -> None:
    lines[0].append("name")
    for cells in lines[1:]:
        cells.append(name)


def rename(column: str, name: str) -> Callable[[list[list[str]]], None]:
    return put(1, column, name)


TABLES: dict[str, Callable[[list[list[str]]], Any]] = {
    "a table without the column image": rename("image", "img"),
    "a table with two columns of one name": rename("patient", "split"),
    "a column with another case": rename("patient", "Patient ID"),
    "a table without a line": keep_header,
    "a line with too many cells": lambda lines: lines[3].append("more"),
    "a line without an image": put(3, "image", ""),
    "an image that does not exist": put(3, "image", "images/chest_9.png"),
    "a mask that does not exist": put(3, "infection", "masks/chest_9.png"),
    "an image twice": put(3, "image", image(0)),
    "an image twice, in two ways": put(3, "image", f"./{image(0)}"),
    "the mask of another image": lambda lines: put(3, "infection", lines[1][-1])(lines),
    "a path with backslashes": put(3, "image", "images\\chest_1.png"),
    "two images of one name": lambda lines: name_all(lines, "chest_1"),
    "a split that does not exist": put(3, "split", "Trane"),
    "a line without a split": put(3, "split", ""),
    "a line without a class": put(3, "patient_class", ""),
    "a line without a patient": put(3, "patient", ""),
    "a mask that is a word": put(3, "infection", "none"),
    "an image without a mask": put(3, "infection", ""),
    "a table without masks": without("infection"),
    "a target misspelt in the header": rename("infection", "infecton"),
    "a table without splits": without("split"),
    "a table without Val": lambda lines: [
        cells.__setitem__(1, "Train") for cells in lines if cells[1] == "Val"
    ],
    "an image that is a folder": put(3, "image", "images"),
}


@pytest.mark.parametrize("mistake", TABLES)
def test_table(mistake, own, refused):
    rows(own, TABLES[mistake])
    refused(*TABLE)


def test_a_table_with_semicolons(own, refused):
    table = own / "rows.csv"
    table.write_text(table.read_text().replace(",", ";"))
    assert "commas" in refused(*TABLE)


def test_a_table_that_is_a_spreadsheet(own, refused):
    (own / "rows.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00\xff\xfe\x00")
    refused(*TABLE)


def test_a_table_that_does_not_exist(refused):
    refused("data=table", "data.root=own/row.csv")


def test_a_table_that_is_not_named(refused):
    refused("data=table")


def test_the_folder_instead_of_the_table(refused):
    refused("data=table", "data.root=own")


# --- masks


def soft(own: Path) -> None:
    ramp = np.clip(np.add.outer(np.arange(SIDE), np.arange(SIDE)) * 5, 0, 255).astype(np.uint8)
    write(own / mask(1), ramp)


def lossy(own: Path) -> None:
    Image.fromarray(lesion()).save(own / mask(1).replace(".png", ".jpg"))
    rows(own, put(3, "infection", mask(1).replace(".png", ".jpg")))


def labels(own: Path) -> None:
    pixels = lesion(1)
    pixels[16:20, 6:12] = 2
    write(own / mask(1), pixels)


def transparent(own: Path) -> None:
    pixels = np.stack([lesion(), lesion()], axis=-1)
    write(own / mask(1), pixels)


def coloured(own: Path) -> None:
    write(own / mask(1), np.stack([lesion(), lesion(0), lesion(0)], axis=-1))


def swapped(own: Path) -> None:
    write(own / mask(1), 255 - lesion())


def stretched(own: Path) -> None:
    write(own / mask(1), lesion()[:, :12])


def cut(own: Path) -> None:
    path = own / image(1)
    path.write_bytes(path.read_bytes()[:90])


def no_image(own: Path) -> None:
    (own / image(1)).write_text("moved to the archive")


def split_over_sizes(own: Path) -> None:
    small = own / "masks" / "right.png"
    write(small, lesion()[::2, ::2])
    rows(own, put(3, "infection", f"{mask(1)}|masks/right.png"))


FILES: dict[str, Callable[[Path], None]] = {
    "a mask with soft edges": soft,
    "a mask as JPEG": lossy,
    "a mask of two labels": labels,
    "a mask with a transparent part": transparent,
    "a mask in colours": coloured,
    "a mask with black and white swapped": swapped,
    "a mask of another shape than its image": stretched,
    "two parts of a mask of different sizes": split_over_sizes,
    "an image that is cut off": cut,
    "an image that is a text": no_image,
}


@pytest.mark.parametrize("mistake", FILES)
def test_file(mistake, own, refused):
    FILES[mistake](own)
    refused(*TABLE)


# --- folders


PATTERNS: dict[str, tuple[str, ...]] = {
    "a pattern that matches nothing": ("data.images=image/*.png", MASKS),
    "a field that does not exist": ("data.images=images/{nam}.png", MASKS),
    "masks without a name in the pattern": ("data.masks.infection=masks/*.png",),
    "no pattern of masks": (),
    "no pattern of images": ("data.images=null", MASKS),
    "a pattern of masks that matches nothing": ("data.masks.infection=mask/{name}.png",),
    "masks among the images": ("data.images=**/*.png", MASKS),
    "a target without a pattern": (MASKS, "data.targets=[lung]"),
    "a folder without splits": (MASKS,),
    "a value of a mask that is no number": (MASKS, "data.mask_values={infection:[white]}"),
}


@pytest.mark.parametrize("mistake", PATTERNS)
def test_pattern(mistake, refused):
    refused(*FOLDER, *PATTERNS[mistake])


def test_a_folder_that_does_not_exist(refused):
    refused("data=folder", "data.root=owm", MASKS)


def test_a_folder_without_pictures(tmp_path, refused):
    (tmp_path / "empty").mkdir()
    refused("data=folder", "data.root=empty", MASKS)


def test_two_masks_of_one_image(own, refused):
    write(own / "masks" / "chest_1_mask_2.png", lesion())
    refused(*FOLDER, "data.masks.infection=masks/{name}_mask*.png")


def test_an_archive_that_is_no_archive(own, refused):
    (own / "data.zip").write_text("no archive")
    refused("data=folder", "data.root=own/data.zip", MASKS)


def test_two_patients_folders_with_one_name(own, tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for n in range(2):
            archive.write(own / image(n), f"p{n}/image.png")
            archive.write(own / mask(n), f"p{n}/mask_image.png")
    words = ("data.images={patient}/image.png", "data.masks.infection={patient}/m*{name}.png")
    refused("data=folder", "data.root=own.zip", *words)


# --- what is asked of it


def test_splits_that_are_drawn_before_copies_are_known(own, refused):
    rows(own, without("split"))
    assert "data=table data.root=" in refused(*TABLE, "data.split=auto")


def test_splits_that_are_drawn_where_there_are_all(refused):
    refused(*TABLE, "data.split=auto")


def test_a_split_file_that_does_not_exist(refused):
    refused(*TABLE, "data.split=split.csv")


def test_splits_and_copies_that_are_left_out(refused):
    refused(*TABLE, "data.split=auto", "data.exclude=findings.csv")


def test_a_key_of_a_folder_for_a_table(refused):
    refused(*TABLE, "data.images=images/*.png")


def test_a_key_of_own_data_for_covid_qu_ex(refused):
    refused("data=covid_qu_ex", "data.mask_threshold=128")
