"""The files below a folder, whatever else is there, or a sentence that names one."""

import os
import shutil
from pathlib import Path

import pytest

from covseg.data.layouts.covid_qu_ex.names import TREES
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.source.file_names import LARGEST
from covseg.data.source.folder import FolderSource
from covseg.errors import DataError

TREE = TREES["infection"]


def test_hidden_folders_are_not_searched(copy):
    shutil.copytree(copy / TREE, copy / ".Trash-0" / TREE)
    assert len(locate(copy).names()) == 90


@pytest.mark.parametrize("place", ["__MACOSX/{0}/._{1}", "__MACOSX/{0}/{1}", "{0}/._{1}"])
def test_what_a_mac_adds_to_a_folder_is_no_picture(place, copy):
    expected = sorted(FolderSource(copy).names())
    assert len(expected) == 90
    for name in expected:
        note = copy / place.format(*name.rsplit("/", 1))
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(b"a note")
    assert sorted(FolderSource(copy).names()) == expected


def test_a_file_that_vanished_is_named(copy):
    source = locate(copy)
    path = next(copy.rglob("*.png"))
    path.unlink()
    with pytest.raises(DataError, match="restore the file") as caught:
        source.read(path.relative_to(copy).as_posix())
    assert str(path) in str(caught.value)


def one_of(copy: Path) -> tuple[FolderSource, Path, str]:
    source = FolderSource(copy)
    name = source.names()[7]
    return source, copy / name, name


def test_a_file_that_changed_since_it_was_looked_at_is_said(copy):
    source, path, name = one_of(copy)
    source.crcs([name])
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(DataError, match="changed while covseg was reading it"):
        source.read(name)


@pytest.mark.parametrize("kind", ["pipe", "folder", "file of 64 MiB and a byte", "link to nowhere"])
def test_what_cannot_be_a_picture_is_named_and_not_read(kind, copy):
    source, path, name = one_of(copy)
    path.unlink()
    match kind.split():
        case ["pipe"]:
            os.mkfifo(path)
            words = "is not a file of at most 64 MiB"
        case ["folder"]:
            path.mkdir()
            words = "is not a file of at most 64 MiB"
        case ["file", *_]:
            path.touch()
            os.truncate(path, LARGEST + 1)
            words = "is not a file of at most 64 MiB"
        case _:
            path.symlink_to("nowhere.png")
            words = "is a link to nowhere.png, which does not exist"
    with pytest.raises(DataError) as caught:
        source.read(name)
    assert caught.value.sentence.startswith(f"{path} {words}")


def test_links_are_followed_and_circles_are_not(copy, tmp_path):
    expected = sorted(FolderSource(copy).names())
    shutil.move(copy / TREE / TREE / "Val", tmp_path / "elsewhere")
    (copy / TREE / TREE / "Val").symlink_to(tmp_path / "elsewhere")
    (copy / TREE / "round").symlink_to(copy)
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    source = FolderSource(copy)
    assert sorted(source.names()) == expected
    assert all(source.read(name).startswith(b"\x89PNG") for name in expected)


def test_a_folder_of_the_dataset_that_is_a_link_to_nowhere_is_named(copy):
    shutil.rmtree(copy / TREE / TREE / "Val")
    (copy / TREE / TREE / "Val").symlink_to("/nowhere/Val")
    with pytest.raises(DataError, match="is a link to /nowhere/Val, which does not exist"):
        FolderSource(copy).names()


def test_a_folder_that_may_not_be_listed_is_named_where_it_is_the_dataset(copy, monkeypatch):
    """Without this its images would be missing, and nobody would know; root may list all."""
    real = os.scandir

    def scandir(path):
        if Path(path).name in {"Normal", "private"}:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    (copy / "private").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"Normal cannot be read \(Permission denied\)"):
        FolderSource(copy).names()
    monkeypatch.undo()
    assert len(FolderSource(copy).names()) == 90
