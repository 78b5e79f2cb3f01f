"""Every pixel as it stands on disk, decoded once, or a sentence that names the file."""

import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from covseg.data.index import LUNG
from covseg.data.layouts.covid_qu_ex.place import ZipSource, locate
from covseg.data.phantom.dataset import write
from covseg.data.planes import common_size
from covseg.data.store import Store, open_store
from covseg.errors import DataError
from listings import listed, opened


def open_at(root: Path, cache: Path, targets: tuple[str, ...] = ("infection",)) -> Store:
    return opened(root, cache, targets)


def refusal(root: Path, cache: Path) -> str:
    with pytest.raises(DataError) as caught:
        open_at(root, cache)
    assert [path.name for path in cache.glob("*") if path.is_dir()] == []
    return str(caught.value)


def any_file(root: Path, kind: str) -> Path:
    """Not the first one, which sets the size."""
    return sorted(root.rglob(f"{kind}/*.png"))[-3]


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG of 8-bit grey whose header says ``width`` and ``height``."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


# --- what it holds


@pytest.mark.parametrize("root", ["phantom", "phantom_zip"])
def test_arrays_equal_an_independent_decode_of_every_file(root, phantom, tmp_path, request):
    store = open_at(request.getfixturevalue(root), tmp_path)
    assert len(store.images) == len(store.masks["lung"]) == 30
    for number, row in enumerate(store.index.rows):
        for path, pixels, scale in (
            (row.image, store.images, 1),
            (*row.masks["infection"], store.masks["infection"], 255),
            (*row.masks["lung"], store.masks["lung"], 255),
        ):
            expected = cv2.imread(str(phantom / path), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(pixels[number] * np.uint8(scale), expected), path


def test_masks_are_zero_and_one(store):
    for masks in store.masks.values():
        assert {mask.dtype.name for mask in masks} == {"uint8"}
        assert {value for mask in masks for value in np.unique(mask)} == {0, 1}
    for number, row in enumerate(store.index.rows):
        assert store.masks["infection"][number].any() == (row.patient_class == "COVID-19")


def test_arrays_are_mapped_and_cannot_be_written(store):
    for array in (store.images, *store.masks.values()):
        assert isinstance(array[0].base.base, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0][0, 0] = 1


@pytest.mark.parametrize(("width", "height"), [(40, 24), (24, 40)])
def test_images_need_not_be_square(width, height, copy, tmp_path):
    for path in copy.rglob("*.png"):
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), pixels[:height, :width])
    store = open_at(copy, tmp_path / "cache")
    assert len(store.images) == 30
    assert common_size(store.images) == (height, width)
    row = store.index.rows[3]
    assert np.array_equal(store.images[3], cv2.imread(str(copy / row.image), cv2.IMREAD_UNCHANGED))


def test_the_lung_tree_has_no_infection_and_its_own_store(tmp_path):
    write(tmp_path, 0, {"Train": 8}, size=32, lung_tree=True)
    lung, infection = (open_at(tmp_path, tmp_path / "c", (t,)) for t in ("lung", "infection"))
    assert lung.index.tree == "lung"
    assert list(lung.masks) == ["lung"]
    assert len(lung.masks["lung"]) == 8
    assert common_size(lung.masks["lung"]) == (32, 32)
    assert any(mask.any() for mask in infection.masks["infection"])
    assert lung.fingerprint != infection.fingerprint
    for one, other in zip(lung.masks["lung"], infection.masks["lung"], strict=True):
        assert np.array_equal(one, other)


def test_rows_without_a_lung_mask_are_zeros_between_rows_with_one(copy, tmp_path):
    paths = sorted(copy.rglob("lung masks/*.png"))
    for path in (*paths[2:5], paths[-1]):
        path.unlink()
    store = open_at(copy, tmp_path / "cache")
    lungs = [mask.any() for mask in store.masks["lung"]]
    assert lungs == [LUNG in row.masks for row in store.index.rows]
    assert lungs.count(False) == 4
    assert sum(mask.any() for mask in store.masks["infection"]) == 16  # all COVID-19


def test_no_lung_mask_at_all_is_a_whole_store_too(copy, tmp_path):
    for path in copy.rglob("lung masks/*.png"):
        path.unlink()
    store = open_at(copy, tmp_path / "cache")
    assert len(store.masks["lung"]) == 30
    assert common_size(store.masks["lung"]) == (64, 64)
    assert not any(mask.any() for mask in store.masks["lung"])


# --- once


class Counting(ZipSource):
    """A source that knows what was read from it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reads: list[str] = []

    def read(self, name: str) -> bytes:
        self.reads.append(name)
        return super().read(name)


def test_every_file_is_read_once_and_none_when_it_is_opened_again(phantom_zip, tmp_path):
    sources = [Counting(phantom_zip) for _ in range(2)]
    first, second = (open_store(listed(source), tmp_path) for source in sources)
    assert set(sources[0].reads) == set(sources[0].names())
    assert len(sources[0].reads) == 91  # the first image also sets the size
    assert sources[1].reads == []
    for one, other in zip(first.images, second.images, strict=True):
        assert np.array_equal(one, other)
    assert first.fingerprint == second.fingerprint


def test_a_folder_and_its_archive_share_a_store(phantom, phantom_zip, tmp_path):
    open_at(phantom, tmp_path)
    open_at(phantom_zip, tmp_path)
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_another_content_is_another_store(copy, tmp_path):
    before = open_at(copy, tmp_path / "cache")
    path = copy / before.index.rows[4].image
    cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    after = open_at(copy, tmp_path / "cache")
    assert np.array_equal(after.images[4], 255 - before.images[4])


# --- files that break a rule


@pytest.mark.parametrize("kind", ["infection masks", "lung masks"])
@pytest.mark.parametrize("value", [1, 7, 128, 254])
def test_a_mask_with_another_value_is_named_with_it(kind, value, copy, tmp_path):
    path = any_file(copy, kind)
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    pixels[30, 30], pixels[30, 31] = value, 255
    cv2.imwrite(str(path), pixels)
    sentence = refusal(copy, tmp_path / "cache")
    assert str(path) == sentence.partition(" is a mask")[0].replace(": ", "/")
    assert f"(such as {value})" in sentence


@pytest.mark.parametrize("kind", ["images", "infection masks", "lung masks"])
@pytest.mark.parametrize("shape", [(32, 32), (64, 65), (63, 64)])
def test_a_picture_of_another_size_is_named_with_both_sizes(kind, shape, copy, tmp_path):
    path = any_file(copy, kind)
    cv2.imwrite(str(path), np.zeros(shape, np.uint8))
    sentence = refusal(copy, tmp_path / "cache")
    assert path.relative_to(copy).as_posix() in sentence
    assert f"{shape[1]}x{shape[0]} pixels, and the first image has 64x64" in sentence


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        *(("RGB", "a colour image"), ("RGBA", "a colour image"), ("I;16", "a 16-bit image")),
        *(("1", "mode 1"), ("LA", "mode LA"), ("P", "mode P")),
    ],
)
def test_a_picture_that_is_not_8_bit_grey_is_named_with_its_kind(mode, words, copy, tmp_path):
    path = any_file(copy, "images")
    grey = Image.open(path)
    if mode == "I;16":
        grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    (grey if mode == "I;16" else grey.convert(mode)).save(path)
    sentence = refusal(copy, tmp_path / "cache")
    assert path.relative_to(copy).as_posix() in sentence
    assert words in sentence
    assert "not 8-bit grey" in sentence


@pytest.mark.parametrize("kind", ["images", "infection masks"])
@pytest.mark.parametrize("left", [0, 5, 20, 50, -60, "text"])
def test_a_damaged_picture_is_named(kind, left, copy, tmp_path):
    path = any_file(copy, kind)
    content = path.read_bytes()
    path.write_bytes(b"<html>404</html>" if left == "text" else content[:left])
    sentence = refusal(copy, tmp_path / "cache")
    readable = left in {50, -60}
    words = "not a readable image (truncated or damaged)" if readable else "not a PNG image"
    assert f"{copy}: {path.relative_to(copy).as_posix()} is {words}: restore" in sentence


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The image or the infection mask of a new dataset of one row."""

    def make(kind: str) -> Path:
        root = tmp_path_factory.mktemp("single")
        write(root, 0, {"Val": 1}, size=32)
        return next(root.rglob(f"{kind}/*.png"))

    return make


def same_or_named(path: Path, content: bytes) -> None:
    """With ``content`` in ``path`` the store is as it was before, or ``path`` is named."""
    root = path.parents[5]
    expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    path.write_bytes(content)
    try:
        store = open_at(root, root / "cache")
    except DataError as error:
        assert path.name in error.sentence  # noqa: PT017 - both ends are right
    else:
        image, mask = store.images[0], store.masks["infection"][0] * np.uint8(255)
        assert np.array_equal(image if path.parent.name == "images" else mask, expected)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_picture_is_whole_or_named(share, single):
    content = (path := single("images")).read_bytes()
    same_or_named(path, content[: int(share * len(content))])


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_mask_with_a_wrong_byte_is_right_or_named(share, flip, single):
    content = bytearray((path := single("infection masks")).read_bytes())
    content[int(share * len(content))] ^= flip
    same_or_named(path, bytes(content))


def test_an_image_with_a_wrong_byte_near_its_end_is_right_or_named(single):
    for place in range(-80, 0, 2):  # where inflating it does not fail by itself
        content = bytearray((path := single("images")).read_bytes())
        content[place] ^= 255
        same_or_named(path, bytes(content))


def test_a_header_that_promises_a_giant_is_named_and_not_decoded(copy, tmp_path):
    path = any_file(copy, "images")
    path.write_bytes(png(50_000, 50_000, bytes(100)))
    assert path.name in refusal(copy, tmp_path / "cache")


# --- damaged stores and full disks


@pytest.mark.parametrize("name", ["images.bin", "mask_infection.bin", "sizes.npy"])
@pytest.mark.parametrize("left", [0, 3, 60, 128, 500, "gone"])
def test_a_damaged_store_says_to_delete_it_and_is_then_built_again(
    name, left, phantom_zip, tmp_path
):
    open_at(phantom_zip, tmp_path)
    home = next(path for path in tmp_path.iterdir() if path.is_dir())
    file = home / name
    content = file.read_bytes()
    if left == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:left])
    with pytest.raises(DataError, match=r"is a damaged store .*delete this folder") as caught:
        open_at(phantom_zip, tmp_path)
    assert str(caught.value).startswith(str(home))
    for path in home.iterdir():
        path.unlink()
    home.rmdir()
    open_at(phantom_zip, tmp_path)
    assert file.read_bytes() == content


@pytest.mark.parametrize("size", ["8k", "64k", "256k", "360k"])
def test_a_full_disk_leaves_no_store_and_room_mends_it(size, phantom_zip, disk):
    cache = disk(f"size={size}") / "cache"
    sentence = refusal(phantom_zip, cache)
    assert f"data.cache_dir={cache} cannot be written (No space left on device)" in sentence
    disk("size=1m")
    store = open_at(phantom_zip, cache)
    assert all(mask.any() for mask in store.masks["lung"])


def test_a_pickled_store_maps_its_files_again(phantom: Path, tmp_path: Path):
    """Protects: a loader worker that is spawned does not copy every pixel."""
    source = locate(phantom)
    store = open_store(listed(source), tmp_path)
    blob = pickle.dumps(store)
    assert len(blob) < sum(image.nbytes for image in store.images) / 2
    again = pickle.loads(blob)
    assert isinstance(again.images[0].base.base, np.memmap)
    for one, other in ((again.images, store.images), (again.masks["lung"], store.masks["lung"])):
        assert all(np.array_equal(*both) for both in zip(one, other, strict=True))
