"""The files of Kaggle's archive, of any unpacked folder, or a sentence with the way to get them."""

import shlex
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from covseg.data.index import Index
from covseg.data.layouts.covid_qu_ex.download import KAGGLE_DATASET
from covseg.data.layouts.covid_qu_ex.names import TREES
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.phantom.dataset import write
from covseg.data.source.archive import ZipSource
from covseg.errors import DataError
from listings import listed

TREE = TREES["infection"]
PIXELS = b"these would be pixels" * 3


def index_of(root: Path | str, targets: Sequence[str] = ("infection",)) -> Index:
    return listed(locate(root), targets).index


def names_of(index: Index) -> list[tuple[str, str, str]]:
    return [(row.split, row.patient_class, row.name) for row in index.rows]


def key(root: Path) -> str:
    return listed(locate(root)).fingerprint


def refusal(root: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        locate(root)
    return str(caught.value)


# --- where a dataset can be


def test_the_archive_and_the_folder_hold_the_same_files(phantom, phantom_zip):
    folder, archive = locate(phantom), locate(phantom_zip)
    assert sorted(folder.names()) == sorted(archive.names())
    assert len(folder.names()) == 3 * 30
    for name in folder.names():
        content = (phantom / name).read_bytes()
        assert folder.read(name) == archive.read(name) == content
        assert folder.crcs([name])[name] == archive.crcs([name])[name]


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


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_no_data_is_said_with_where_to_get_it_its_size_and_its_licence(kind, tmp_path):
    if kind == "empty":
        (tmp_path / "data").mkdir()
    sentence = refusal(tmp_path / "data")
    assert sentence.startswith(f"data.root={tmp_path / 'data'} ")
    for words in ("https://www.kaggle.com/datasets/" + KAGGLE_DATASET, "1.2 GB", "CC BY-SA 4.0"):
        assert words in sentence


@pytest.mark.parametrize(
    ("inside", "proposed"),
    [
        (f"{TREE}/{TREE}/Train", f"{TREE}/{TREE}"),
        (f"{TREE}/{TREE}/Val/Normal", f"{TREE}/{TREE}"),
        (f"{TREE}/{TREE}/Val/Normal/lung masks", f"{TREE}/{TREE}"),
        ("Test", ""),
    ],
)
def test_a_part_of_the_dataset_is_refused_with_the_folder_to_name(inside, proposed, copy):
    if inside == "Test":  # without the trees' names
        for folder in (copy / TREE / TREE).iterdir():
            shutil.move(folder, copy)
    sentence = refusal(copy / inside)
    assert sentence.startswith(f"data.root={copy / inside} is only a part of the dataset")
    named = shlex.split(sentence.partition("set data.root=")[2].rstrip("."))[0]
    assert Path(named) == copy / proposed
    assert names_of(index_of(named)) == names_of(index_of(copy))


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_system_allows_is_refused(name, tmp_path):
    assert "cannot be read" in refusal(tmp_path / name)


def test_of_damaged_archives_alone_the_first_is_named(phantom_zip, tmp_path):
    for name in ("b.zip", "a.zip"):
        (tmp_path / name).write_bytes(phantom_zip.read_bytes()[:-40])
    assert refusal(tmp_path).startswith(f"{tmp_path / 'a.zip'} cannot be read as a zip archive")


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


# --- the real archive


@pytest.mark.real
def test_the_real_archive_has_the_images_that_the_paper_counts(real_archive: Path):
    source = locate(real_archive)
    assert isinstance(source, ZipSource)
    for targets in (["infection"], ["infection", "lung"]):
        assert listed(source, targets).index.counts() == {
            "Train": {"COVID-19": 1864, "Non-COVID": 932, "Normal": 932},
            "Val": {"COVID-19": 466, "Non-COVID": 233, "Normal": 233},
            "Test": {"COVID-19": 583, "Non-COVID": 292, "Normal": 291},
        }
