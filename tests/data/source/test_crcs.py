"""CRCs that are kept between starts: never those of other bytes, and never a reason to fail."""

import multiprocessing
import os
import time
import zlib
from pathlib import Path

import pytest

from covseg.data.source import crcs
from covseg.data.source.crcs import kept_crcs

NAMES = [f"{n}.png" for n in range(12)]


class Folder:
    """Files, and what was read of them."""

    def __init__(self, path: Path) -> None:
        self.path, self.cache = path / "files", path / "cache"
        self.read: list[str] = []
        self.path.mkdir()
        for name in NAMES:
            (self.path / name).write_bytes(name.encode() * 100)

    def bytes_of(self, name: str) -> bytes:
        self.read.append(name)
        return (self.path / name).read_bytes()

    def crcs(self) -> list[int]:
        self.read.clear()
        found = kept_crcs(self.cache, self.path, NAMES, self.bytes_of)
        return [found[name] for name in NAMES]

    def expected(self) -> list[int]:
        return [zlib.crc32((self.path / name).read_bytes()) for name in NAMES]

    @property
    def kept(self) -> Path:
        [file] = self.cache.glob("crcs-*.json")
        return file


@pytest.fixture
def young(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    now = time.time_ns
    monkeypatch.setattr(crcs.time, "time_ns", lambda: now() + 60 * 10**9)
    return Folder(tmp_path)


def test_files_are_read_once(files):
    assert files.crcs() == files.expected()
    assert sorted(files.read) == sorted(NAMES)
    assert files.crcs() == files.expected()
    assert files.read == []


def test_another_content_of_the_same_size_and_time_is_seen(files):
    files.crcs()
    path = files.path / NAMES[5]
    status = path.stat()
    path.write_bytes(bytes(len(path.read_bytes())))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert files.crcs() == files.expected()
    assert files.read == [NAMES[5]]


def test_two_files_that_change_places_are_seen(files):
    files.crcs()
    one, other, aside = (files.path / name for name in (*NAMES[:2], "aside"))
    for path in (one, other):
        os.utime(path, ns=(0, 0))
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert files.crcs() == files.expected()


def test_files_that_are_just_being_written_are_read_again(young):
    """A change within the same tick of a coarse clock would have the same times."""
    young.crcs()
    assert young.crcs() == young.expected()
    assert sorted(young.read) == sorted(NAMES)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"0.png": [1, 2', b"\xff\xfe"])
def test_a_damaged_file_of_crcs_counts_as_none(files, content):
    files.crcs()
    files.kept.write_bytes(content)
    assert files.crcs() == files.expected()
    assert files.crcs() == files.expected()
    assert files.read == []


def test_without_a_place_to_keep_them_files_are_read(files):
    files.cache.write_bytes(b"a file where the folder should be")
    assert files.crcs() == files.expected()
    assert files.crcs() == files.expected()
    assert sorted(files.read) == sorted(NAMES)


def _in_a_process(path: Path, n_read: "multiprocessing.Queue[int]") -> None:
    crcs.time.time_ns = lambda now=time.time_ns: now() + 60 * 10**9
    read: list[str] = []

    def bytes_of(name: str) -> bytes:
        read.append(name)
        time.sleep(0.02)
        return (path / "files" / name).read_bytes()

    kept_crcs(path / "cache", path / "files", NAMES, bytes_of)
    n_read.put(len(read))


def test_of_several_processes_one_reads(tmp_path):
    Folder(tmp_path)
    context = multiprocessing.get_context("fork")
    n_read = context.Queue()
    processes = [context.Process(target=_in_a_process, args=(tmp_path, n_read)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(n_read.get() for _ in processes) == [0, 0, 0, len(NAMES)]
