"""Kaggle's archive: every byte as it was packed, or a sentence, and nothing outside is touched."""

import os
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.layouts.covid_qu_ex.names import TREES
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.source.archive import ZipSource
from covseg.data.source.file_names import LARGEST
from covseg.errors import DataError

TREE = TREES["infection"]
PIXELS = b"these would be pixels" * 3


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


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.7, 0.99, 0.9999])
def test_a_cut_archive_is_not_a_whole_one(share, phantom_zip, tmp_path):
    whole = phantom_zip.read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[: int(share * len(whole))])
    sentence = refusal(path)
    assert sentence.startswith(f"{path} cannot be read as a zip archive")
    assert "downloaded again" in sentence


def test_a_file_that_is_no_archive_is_refused(phantom, tmp_path):
    sentence = refusal(shutil.copy(next(phantom.rglob("*.png")), tmp_path / "picture.png"))
    assert "cannot be read as a zip archive" in sentence


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
    ("place", "byte", "words"),
    [(6, 255, "cannot be read as a zip archive"), (46, 0, "has an entry without a name")],
    ids=["version of the format", "name that begins with NUL"],
)
def test_a_damaged_directory_of_an_archive_is_refused(place, byte, words, archive):
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\1\2") + place] = byte
    archive.write_bytes(content)
    assert words in refusal(archive)


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/abs.png", "..\\evil.png", "\\abs.png"]
)
def test_an_entry_that_leads_outside_is_refused(name, archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, b"")
    sentence = refusal(archive)
    assert f"with a path outside of it, '{name}'" in sentence


def test_nothing_is_unpacked(phantom_zip, tmp_path):
    path = Path(shutil.copy(phantom_zip, tmp_path))
    source = locate(path)
    for name in source.names():
        source.read(name)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("flags", "mode", "words"), [(1, 0, "is encrypted"), (0, 0o120777, "link")]
)
def test_an_entry_that_cannot_be_a_picture_is_refused_unread(flags, mode, words, archive):
    entry = zipfile.ZipInfo(f"{TREE}/Train/COVID-19/images/covid_2.png")
    entry.external_attr = mode << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, PIXELS)
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\1\2") + 8] |= flags
    archive.write_bytes(content)
    assert words in refusal(archive)


@pytest.mark.parametrize(("more", "ok"), [(0, True), (1, False)])
def test_the_largest_picture_is_read_and_a_larger_one_refused_unread(more, ok, archive):
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{TREE}/Train/COVID-19/images/covid_2.png", bytes(LARGEST + more))
    if ok:
        assert len(locate(archive).names()) == 4
    else:
        assert "covid_2.png has 64 MiB unpacked" in refusal(archive)


def test_a_large_file_that_is_no_picture_does_not_disturb(archive):
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("notes.txt", bytes(LARGEST + 1))
    assert len(locate(archive).names()) == 3


@pytest.mark.parametrize("place", ["__MACOSX/{0}/._{1}", "__MACOSX/{0}/{1}", "{0}/._{1}"])
def test_what_a_mac_adds_to_an_archive_is_no_picture(place, archive):
    expected = locate(archive).names()
    with zipfile.ZipFile(archive, "a") as file:
        for name in expected:
            file.writestr(place.format(*name.rsplit("/", 1)), b"a note")
    assert locate(archive).names() == expected


@pytest.mark.parametrize("says", [0, 10, 10**6])
def test_no_more_is_unpacked_than_an_entry_says(says, archive):
    """Protects: a bomb is read to the size that its directory promises, and no further."""
    name, size = f"{TREE}/Train/COVID-19/images/covid_2.png", 3 * 10**7
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(size))
    lie = archive.read_bytes().replace(size.to_bytes(4, "little"), says.to_bytes(4, "little"))
    archive.write_bytes(lie)
    source = locate(archive)
    tracemalloc.start()
    with pytest.raises(DataError, match="download the archive again"):
        source.read(name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 3


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_picture_twice_is_refused_and_another_file_twice_is_not(archive):
    with zipfile.ZipFile(archive, "a") as file:
        for _ in range(2):
            file.writestr("notes.txt", b"mine")
    assert len(locate(archive).names()) == 3
    name = locate(archive).names()[0]
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, b"other pixels")
    assert f"{name} is in the archive more than once" in refusal(archive)


def test_a_folder_with_the_name_of_a_picture_is_none(archive):
    expected = locate(archive).names()
    with zipfile.ZipFile(archive, "a") as file:
        for name in ("a/", f"{TREE}/Train/COVID-19/images/", "1.png/"):
            file.writestr(name, b"")
    assert locate(archive).names() == expected


def test_separators_of_windows_are_read_as_any_other(archive):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"{TREE}/Train/COVID-19/images/covid_1.png".replace("/", "\\"), PIXELS)
    source = locate(archive)
    assert source.names() == [f"{TREE}/Train/COVID-19/images/covid_1.png"]
    assert source.read(source.names()[0]) == PIXELS


@pytest.mark.parametrize("how", ["truncated", "overwritten", "removed"])
def test_an_archive_that_is_written_to_while_it_is_read_is_said(how, phantom_zip, tmp_path):
    path = Path(shutil.copy(phantom_zip, tmp_path))
    source = locate(path)
    size = path.stat().st_size
    if how == "removed":  # and what was opened is damaged as well
        path.write_bytes(bytes(size))
        path.unlink()
    else:
        path.write_bytes(bytes(size if how == "overwritten" else 100))
        os.utime(path, (1, 1))
    with pytest.raises(DataError, match="changed while covseg was reading it"):
        source.read(source.names()[40])


def test_an_archive_that_another_takes_the_place_of_is_read_to_its_end(phantom_zip, tmp_path):
    path = Path(shutil.copy(phantom_zip, tmp_path))
    source, whole = locate(path), locate(phantom_zip)
    (tmp_path / "other").write_bytes(b"no archive")
    (tmp_path / "other").replace(path)
    assert all(source.read(name) == whole.read(name) for name in whole.names())


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "archive.zip")
    assert "is neither a zip archive nor a folder" in refusal(tmp_path / "archive.zip")
    assert "holds neither" in refusal(tmp_path)


def test_folders_of_windows_are_no_pictures(archive):
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("images\\", "images/", "images\\1.png"):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            file.writestr(entry, b"")
    assert ZipSource(archive).names() == ["images/1.png"]
