"""A folder is whole or not there: after a kill, beside another process, on a full disk."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covseg.data.build_once import built_once
from covseg.errors import DataError

BUILDER = """
import sys, time
from pathlib import Path
from covseg.data.build_once import built_once

home, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(folder):
    with log.open("a") as file:
        file.write("built\\n")
    (folder / "first").write_text("first")
    print("half", flush=True)
    time.sleep(seconds)
    (folder / "second").write_text("second")

print("ready", flush=True)
sys.stdin.readline()
built_once(home, build)
print(*sorted(path.name for path in home.iterdir()), flush=True)
"""


def builder(home: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(home), str(log), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def whole(folder: Path) -> None:
    (folder / "first").write_text("first")
    (folder / "second").write_text("second")


def folders(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.is_dir())


def test_a_folder_is_built_once(tmp_path):
    calls = []
    for _ in range(3):
        home = built_once(tmp_path / "a/b/home", lambda folder: calls.append(folder))
        assert home == tmp_path / "a/b/home"
    assert len(calls) == 1
    assert calls[0] != home
    assert folders(home.parent) == ["home"]


def test_a_killed_build_leaves_nothing_that_is_trusted_and_the_next_one_succeeds(tmp_path):
    home = tmp_path / "home"
    process = builder(home, tmp_path / "log", 60)
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not home.exists()
    assert any((folder / "first").exists() for folder in tmp_path.iterdir()), "killed too early"

    def build(folder: Path) -> None:
        assert not any(folder.iterdir())  # nor is a part of it taken over
        whole(folder)

    built_once(home, build)
    assert sorted(path.name for path in home.iterdir()) == ["first", "second"]
    assert folders(tmp_path) == ["home"]


def test_of_two_processes_one_builds_and_both_see_the_whole(tmp_path):
    processes = [builder(tmp_path / "home", tmp_path / "log", 0.5) for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(lines) == [["first second"], ["half", "first second"]]
    assert (tmp_path / "log").read_text() == "built\n"


def test_a_process_that_waits_takes_over_when_the_builder_is_killed(tmp_path):
    first, second = (builder(tmp_path / "home", tmp_path / "log", s) for s in (60, 0))
    first.stdin.write("\n")
    first.stdin.flush()
    assert first.stdout.readline() == "half\n"
    second.stdin.write("\n")
    second.stdin.flush()
    time.sleep(0.3)
    first.kill()
    first.communicate()
    assert second.communicate(timeout=60)[0].splitlines() == ["half", "first second"]


@pytest.mark.parametrize(
    "error", [ValueError("broken"), DataError("a", "b", "c"), KeyboardInterrupt]
)
def test_a_build_that_fails_leaves_no_folder_and_passes_its_error_on(error, tmp_path):
    def build(folder: Path) -> None:
        whole(folder)
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        built_once(tmp_path / "home", build)
    assert folders(tmp_path) == []
    built_once(tmp_path / "home", whole)
    assert folders(tmp_path) == ["home"]


def test_a_cache_below_a_file_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data.cache_dir=.*file/cache cannot be written") as caught:
        built_once(tmp_path / "file/cache/home", whole)
    assert "a byte per pixel" in str(caught.value)


def test_a_full_disk_is_said_in_a_sentence_and_leaves_no_folder(disk):
    small = disk("size=1m")

    def build(folder: Path) -> None:
        (folder / "first").write_bytes(bytes(2_000_000))

    with pytest.raises(DataError, match="No space left on device") as caught:
        built_once(small / "cache/home", build)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert f"data.cache_dir={small / 'cache'}" in str(caught.value)
    assert folders(small / "cache") == []
