"""The files of Kaggle's archive, of any unpacked folder, or a sentence with the way to get them."""

import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.index import TREES, Index, read_index
from covseg.data.phantom_dataset import write
from covseg.data.source import KAGGLE_DATASET, ZipSource, download, fingerprint, locate
from covseg.errors import DataError

TREE = TREES["infection"]
PIXELS = b"these would be pixels" * 3


def index_of(root: Path | str, targets: Sequence[str] = ("infection",)) -> Index:
    return read_index(locate(root).names(), targets, "here")


def names_of(index: Index) -> list[tuple[str, str, str]]:
    return [(row.split, row.patient_class, row.name) for row in index.rows]


def key(root: Path) -> str:
    source = locate(root)
    return fingerprint(source, read_index(source.names(), ["infection"], "here"))


def refusal(root: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        locate(root)
    return str(caught.value)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three entries; no dataset, but an archive of its layout."""
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        for kind in ("images", "infection masks", "lung masks"):
            file.writestr(f"{TREE}/Train/COVID-19/{kind}/covid_1.png", PIXELS)
    return path


# --- where a dataset can be


def test_the_archive_and_the_folder_hold_the_same_files(phantom, phantom_zip):
    folder, archive = locate(phantom), locate(phantom_zip)
    assert sorted(folder.names()) == sorted(archive.names())
    assert len(folder.names()) == 3 * 30
    for name in folder.names():
        content = (phantom / name).read_bytes()
        assert folder.read(name) == archive.read(name) == content
        assert folder.crc(name) == archive.crc(name)


@pytest.mark.parametrize("below", ["", "data", "some/folders/deep"])
def test_a_folder_that_contains_the_dataset_is_as_good(below, phantom, tmp_path):
    shutil.copytree(phantom, tmp_path / "root" / below, dirs_exist_ok=True)
    assert names_of(index_of(tmp_path / "root")) == names_of(index_of(phantom))


def test_a_folder_that_contains_the_archive_is_as_good(phantom, phantom_zip, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as other:
        other.writestr("another dataset.png", b"")
    shutil.copy(phantom_zip, tmp_path / "c.zip")
    assert locate(tmp_path).path == tmp_path / "c.zip"
    assert names_of(index_of(tmp_path)) == names_of(index_of(phantom))


@pytest.mark.parametrize("inside", [TREE, f"{TREE}/{TREE}"])
def test_the_root_may_be_the_tree_itself(inside, phantom):
    assert names_of(index_of(phantom / inside)) == names_of(index_of(phantom))
    source = locate(phantom / inside)
    assert all(source.read(name).startswith(b"\x89PNG") for name in source.names())


@pytest.mark.parametrize("inside", ["Lung Segmentation Data", "Lung Segmentation Data/" * 2])
@pytest.mark.parametrize("named", ["by its path", "as the current folder"])
def test_the_lung_tree_itself_is_known_by_its_name(inside, named, tmp_path, monkeypatch):
    write(tmp_path, 0, {"Train": 4}, size=32, lung_tree=True)
    root = tmp_path / inside
    if named == "as the current folder":
        monkeypatch.chdir(root)
        root = "."
    index = index_of(root, ["lung"])
    assert index.tree == "lung"
    assert len(index.rows) == 4


def test_the_home_folder_can_be_written_as_a_tilde(phantom_zip, monkeypatch):
    monkeypatch.setenv("HOME", str(phantom_zip.parent))
    assert len(locate("~/archive.zip").names()) == 90


def test_hidden_folders_are_not_searched(copy):
    shutil.copytree(copy / TREE, copy / ".Trash-0" / TREE)
    assert len(locate(copy).names()) == 90


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_no_data_is_said_with_where_to_get_it_its_size_and_its_licence(kind, tmp_path):
    if kind == "empty":
        (tmp_path / "data").mkdir()
    sentence = refusal(tmp_path / "data")
    assert sentence.startswith(f"data.root={tmp_path / 'data'} ")
    for words in ("https://www.kaggle.com/datasets/" + KAGGLE_DATASET, "1.2 GB", "CC BY-SA 4.0"):
        assert words in sentence


# --- damaged and hostile archives


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_cut_archive_is_not_a_whole_one(share, phantom_zip, tmp_path):
    whole = phantom_zip.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[: int(share * len(whole))])
    sentence = refusal(path)
    assert sentence.startswith(f"{path} is not a whole zip archive")
    assert sentence.endswith("download it again.")


def test_a_file_that_is_no_archive_is_refused(phantom):
    assert "is not a whole zip archive" in refusal(next(phantom.rglob("*.png")))


def test_one_corrupt_entry_in_the_middle_is_named_when_it_is_read(phantom_zip, tmp_path):
    path = tmp_path / "corrupt.zip"
    content = bytearray(phantom_zip.read_bytes())
    with zipfile.ZipFile(phantom_zip) as file:
        entry = file.infolist()[45]
    middle = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    content[middle] ^= 0xFF
    path.write_bytes(content)
    source = locate(path)
    for name in source.names():
        if name != entry.filename:
            source.read(name)
    with pytest.raises(DataError, match="download the archive again") as caught:
        source.read(entry.filename)
    assert str(caught.value).startswith(f"{path}: {entry.filename} cannot be read")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_wrong_byte_anywhere_is_never_taken_for_pixels(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("wrong") / "archive.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("Train/COVID-19/images/covid_1.png", PIXELS)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda b: b != content[place]))
    # the next two have a test of their own
    directory = content.find(b"PK\1\2")
    if place in (directory + 6, directory + 46):
        return
    path.write_bytes(content)
    try:
        source = locate(path)
        assert all(source.read(name) == PIXELS for name in source.names())
    except DataError:
        pass


@pytest.mark.parametrize(
    ("place", "byte"),
    [(6, 255), (46, 0)],
    ids=["version of the format", "name that begins with NUL"],
)
def test_a_damaged_directory_of_an_archive_is_refused(place, byte, archive):
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\1\2") + place] = byte
    archive.write_bytes(content)
    assert "is not a whole zip archive" in refusal(archive)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/abs.png", "..\\evil.png", "\\abs.png"]
)
def test_an_entry_that_leads_outside_is_refused(name, archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, b"")
    sentence = refusal(archive)
    assert f"leads outside of it, '{name}'" in sentence


def test_nothing_is_unpacked(phantom_zip, tmp_path):
    path = Path(shutil.copy(phantom_zip, tmp_path))
    source = locate(path)
    for name in source.names():
        source.read(name)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_vanished_is_named(copy):
    source = locate(copy)
    path = next(copy.rglob("*.png"))
    path.unlink()
    with pytest.raises(DataError, match="restore the file") as caught:
        source.read(path.relative_to(copy).as_posix())
    assert str(path) in str(caught.value)


# --- the fingerprint


def test_an_archive_and_its_unpacked_folder_have_one_fingerprint(phantom, phantom_zip, tmp_path):
    shutil.copytree(phantom / TREE / TREE, tmp_path / "flat" / TREE)
    shutil.copytree(phantom, tmp_path / "deep/er")
    keys = {key(root) for root in (phantom, phantom_zip, tmp_path / "flat", tmp_path / "deep")}
    assert len(keys) == 1


@pytest.mark.parametrize("kind", ["images", "infection masks", "lung masks"])
def test_one_other_pixel_is_another_fingerprint(kind, copy, phantom):
    path = sorted(copy.rglob(f"{kind}/*.png"))[7]
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    pixels[5, 5] ^= 255
    cv2.imwrite(str(path), pixels)
    assert key(copy) != key(phantom)


def test_a_missing_mask_or_another_split_is_another_fingerprint(copy, phantom):
    keys = {key(phantom)}
    next(copy.rglob("Test/*/lung masks/*.png")).unlink()
    keys.add(key(copy))
    for file in sorted(copy.rglob("Val/Normal/*/*.png")):
        target = Path(str(file).replace("/Val/", "/Test/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    keys.add(key(copy))
    assert len(keys) == 3


# --- downloading


def test_without_kagglehub_a_download_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match="needs kagglehub: pip install kagglehub"):
        download(tmp_path)


def test_a_download_gives_the_folder_that_kagglehub_gives(monkeypatch, tmp_path):
    asked = []
    fake = SimpleNamespace(dataset_download=lambda name: asked.append(name) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert download(tmp_path) == tmp_path
    assert asked == [KAGGLE_DATASET]


def test_a_download_that_fails_is_said_with_its_cause_and_the_way_by_hand(monkeypatch, tmp_path):
    def fail(name):
        raise ConnectionError("no route to host")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=fail))
    with pytest.raises(DataError, match="no route to host") as caught:
        download(tmp_path)
    assert KAGGLE_DATASET in str(caught.value)


# --- the real archive


@pytest.mark.real
def test_the_real_archive_has_the_images_that_the_paper_counts(real_archive: Path):
    source = locate(real_archive)
    assert isinstance(source, ZipSource)
    for targets in (["infection"], ["infection", "lung"]):
        assert read_index(source.names(), targets, str(real_archive)).counts() == {
            "Train": {"COVID-19": 1864, "Non-COVID": 932, "Normal": 932},
            "Val": {"COVID-19": 466, "Non-COVID": 233, "Normal": 233},
            "Test": {"COVID-19": 583, "Non-COVID": 292, "Normal": 291},
        }
