"""On the machine.

Small disks, little memory, strange paths: all of them real, most of them made by a shell.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covseg.data.phantom.dataset import write
from covseg.run.folder.creation import free_folder

pytestmark = pytest.mark.long

DEBUG = ("train", "experiment=debug", "hydra.run.dir=run")
LOADERS = (*DEBUG, "data.num_workers=2", "trainer.max_epochs=200", "callbacks=none")
ODD = "a [b] {c} (d) 'e' \"f\" g=h,i äöü €" + "x" * 120


def unshared(mount: str) -> str:
    """A script that runs the command with a mount of its own."""
    return f'exec unshare --mount sh -c \'{mount} && exec "$@"\' sh "$@"'


# --- memory and processes


@pytest.mark.nightly  # a quarter of a minute
def test_a_batch_that_no_memory_holds(said):
    words = ("data.image_size=1024", "model.base_channels=64", "data.batch_size=8", "model.depth=1")
    words += ("data.phantom.n_images={Train:16,Val:8,Test:8}",)
    said.refused(*DEBUG, *words, leaves="run", shell='ulimit -v 6000000; exec "$@"')


@pytest.mark.nightly
def test_an_image_that_no_memory_holds(said):
    words = ("data.image_size=2048", "model.base_channels=64", "data.batch_size=1", "model.depth=1")
    said.refused(*DEBUG, *words, leaves="run", shell='ulimit -v 6000000; exec "$@"')


def test_too_little_shared_memory(said, mounts):
    tiny = unshared("mount -t tmpfs -o size=16k tmpfs /dev/shm")
    said.refused(*LOADERS, leaves="run", shell=tiny)


@pytest.mark.nightly
def test_no_shared_memory(said, mounts):
    none = unshared("mount -t tmpfs -o ro tmpfs /dev/shm")
    said.refused(*LOADERS, leaves="run", shell=none)


def test_too_many_open_files(said):
    words = (*LOADERS, "data.num_workers=16")
    said.refused(*words, leaves="run", shell='ulimit -n 40; exec "$@"')


def test_a_loader_process_killed(said, tmp_path, environment):
    command = subprocess.Popen(
        [sys.executable, "-m", *("covseg.train", *LOADERS[1:], "trainer.max_epochs=5000")],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "run" / "metrics.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, err = command.communicate(timeout=60)
    assert command.returncode == 1
    assert "Traceback" not in err
    said.said(err)


def test_no_compiler(said):
    words = (*DEBUG, "compile=true", "trainer.max_epochs=1")
    said.warned(*words, of="compile", shell='PATH=/nowhere; exec "$@"', CXX="")


# --- disks


def test_a_full_disk_when_a_run_starts(said, disk, tmp_path):
    disk("size=64k")
    (tmp_path / "disk" / "mine").write_bytes(b"x" * (1 << 16))
    said.refused("train", "experiment=debug", "hydra.run.dir=disk/run")


def test_a_full_disk_when_a_checkpoint_is_saved(said, disk, tmp_path):
    disk("size=100k")
    said.refused(
        "train", "experiment=debug", "callbacks=none", "hydra.run.dir=disk/run", leaves="disk"
    )
    left = {path.name for path in (tmp_path / "disk").rglob("*") if path.is_file()}
    begun = {"config.yaml", "train.log", "provenance.json", "baselines.npz", "fitted.csv"}
    assert left <= begun | {"typical.npz", "metrics.csv"}


@pytest.mark.parametrize(
    "size",
    [
        *(140, 320, 560, 1000),
        *(pytest.param(size, marks=pytest.mark.nightly) for size in range(80, 800, 60)),
    ],
)
def test_a_disk_that_fills_at_any_moment(size, verb, disk, tmp_path):
    disk(f"size={size}k")
    done = verb("train", "experiment=debug", "hydra.run.dir=disk/run")
    run = tmp_path / "disk" / "run"
    if done.code == 0:
        assert (run / "summary.json").exists()
    else:
        *_, sentence = done.err.strip().splitlines()
        assert "cannot be written (No space left on device): make room there" in sentence
    assert "Traceback" not in done.err
    assert not list(run.rglob("*.part"))
    for path in run.rglob("*.json"):
        json.loads(path.read_text())


def test_a_disk_that_fills_later_keeps_the_checkpoint_before(disk, tmp_path, command, verb):
    """Protects: the new checkpoint never takes the place of the old one before it is whole."""
    folder = disk("size=1m")
    script = (
        '"$@" & while [ ! -e disk/run/checkpoints/last.ckpt ]; do sleep 0.1; done;'
        " head -c 2000000 /dev/zero > disk/filler 2> /dev/null; wait $!"
    )
    words = ("experiment=debug", "trainer.max_epochs=5000", "callbacks=none")
    done = command("train", *words, "hydra.run.dir=disk/run", shell=script)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "No space left on device" in done.err.splitlines()[-1]
    (folder / "filler").unlink()
    for name in ("best", "last"):
        again = verb("evaluate", "run=disk/run", f"checkpoint={name}", f"hydra.run.dir={name}")
        assert again.code == 0, again.err


def test_a_read_only_run_folder(said, disk, tmp_path):
    disk("size=1m,ro")
    said.refused("train", "experiment=debug", "hydra.run.dir=disk/run")


# --- homes, paths and terminals


def test_a_home_folder_that_does_not_exist(said):
    said.refused("train", "experiment=debug", "data.cache_dir=~nobody_here/cache")


def test_a_read_only_home(said, disk, tmp_path):
    home = disk("size=1m,ro")
    said.refused("train", "experiment=debug", HOME=str(home), shell='unset COVSEG_CACHE; "$@"')


def test_two_runs_in_one_second_have_a_folder_each(tmp_path, command):
    script = '"$@" & "$@"; code=$?; wait $! && exit $code'
    words = ("experiment=debug", "trainer.max_epochs=1", "callbacks=none")
    done = command("train", *words, "hydra.run.dir=${free_folder:runs/now}", shell=script)
    assert done.code == 0, done.err
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"now", "now_2"}
    assert all((path / "summary.json").exists() for path in (tmp_path / "runs").iterdir())
    assert free_folder(str(tmp_path / "runs" / "now")) == str(tmp_path / "runs" / "now_3")


@pytest.mark.nightly  # a quarter of a minute
def test_odd_paths_and_the_locale_c(tmp_path, command):
    home = tmp_path / ODD
    write(home / "data", 0, {"Train": 8, "Val": 4, "Test": 4}, size=32)
    odd = {"LC_ALL": "C", "COVSEG_DATA": f"{ODD}/data", "COVSEG_CACHE": f"{ODD}/cache"}
    out = ODD.replace('"', '\\"')
    words = ("experiment=debug", "data=covid_qu_ex", f'hydra.run.dir="{out}/run"')
    done = command("train", *words, "logger=tensorboard", **odd)
    assert done.code == 0, done.err
    assert (home / "run" / "summary.json").exists()
    moved = Path(shutil.move(home / "run", tmp_path / "run, moved"))
    done = command("evaluate", f'run="{moved}"', "hydra.run.dir=again", **odd)
    assert done.code == 0, done.err
    before, after = ((run / "per_image.csv").read_bytes() for run in (moved, tmp_path / "again"))
    assert before == after


@pytest.mark.parametrize(
    "script",
    [
        'set -o pipefail; "$@" | head -1',
        '"$@" >&- 2>&-',
        pytest.param('"$@" >&-', marks=pytest.mark.nightly),
        pytest.param('"$@" 2>&-', marks=pytest.mark.nightly),
    ],
)
def test_nobody_reads_the_table(script, tmp_path, command):
    done = command(*DEBUG, shell=script)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert "Exception" not in done.err
    assert {"summary.json", "per_image.csv"} <= {p.name for p in (tmp_path / "run").iterdir()}
    assert "seconds" in json.loads((tmp_path / "run" / "provenance.json").read_text())


def test_a_dumb_terminal_gets_no_control_characters(tmp_path, command):
    script = 'exec script -qec "${*@Q}" /dev/null < /dev/null'
    done = command(*DEBUG, shell=script, TERM="dumb")
    assert done.code == 0, done.err
    said = done.out + done.err + (tmp_path / "run" / "train.log").read_text()
    assert "\x1b" not in said
    assert "\x08" not in said
    assert "rmse_per_image" in said
