"""What the tests of several rooms share: phantom data, a tiny fit over it, the command line."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from hydra.core.global_hydra import GlobalHydra
from playwright.sync_api import sync_playwright

from chromium import EXECUTABLE, look
from configurations import composed
from covseg import build
from covseg.config.train import Train
from covseg.data.datamodule import XrayDataModule
from covseg.learn.module import SegmentationModule
from covseg.validation import check

# the tests are about the CPU, whose numbers are the same again on every run; test_gpu.py starts
# processes that see what is here (xdist's workers inherit what is set)
os.environ.setdefault("COVSEG_TEST_GPUS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

Fitted = tuple[L.Trainer, SegmentationModule, XrayDataModule]

TINY = (
    *("data=phantom", "data.phantom.seed=0", "data.phantom.n_images={Train:8,Val:4,Test:4}"),
    *("data.image_size=32", "data.batch_size=4", "augment=none", "callbacks=none"),
    *("model.depth=2", "model.base_channels=4", "compile=false", "protocol.report=Test"),
    *(
        "trainer=cpu",
        "trainer.precision=32",
        "trainer.max_epochs=2",
        "trainer.enable_progress_bar=false",
    ),
    *("trainer.enable_checkpointing=false", "protocol.checkpoint=last"),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """For ``nox -s mistakes``."""
    parser.addoption("--write-mistakes", action="store_true", help="write docs/mistakes.md anew")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, or one core waits for the other at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def phantom_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the phantom dataset and its store are kept: made by the first test that needs them."""
    return tmp_path_factory.mktemp("phantom_cache")


@pytest.fixture
def configured(phantom_cache: Path) -> Callable[..., Train]:
    """Overrides -> the checked configuration of a tiny training over phantom data."""

    def make(*overrides: str) -> Train:
        cache = f"data.cache_dir={phantom_cache}"
        return check(Train, composed("train", [*TINY, cache, *overrides]))

    return make


@pytest.fixture
def fit(configured: Callable[..., Train], tmp_path: Path) -> Callable[..., Fitted]:
    """Overrides -> a tiny training in ``tmp_path``, done.

    ``callbacks`` and ``loggers`` are added; ``prepare`` sees the module before it is fitted.
    """

    def run(
        *overrides: str,
        callbacks: tuple[L.Callback, ...] = (),
        loggers: tuple[Any, ...] = (),
        prepare: Callable[[SegmentationModule], object] = lambda module: None,
    ) -> Fitted:
        config = configured(*overrides)
        L.seed_everything(config.seed, workers=True, verbose=False)
        module = build.module(config, build.network(config), build.scores(config.protocol))
        data = build.datamodule(config.data, config.protocol, report="Test", seed=config.seed)
        trainer = build.trainer(config.trainer, tmp_path, list(callbacks), list(loggers))
        prepare(module)
        trainer.fit(module, datamodule=data)
        return trainer, module, data

    return run


@pytest.fixture(scope="session")
def mounts() -> None:
    """Skip the test where this user cannot mount anything."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    if not all(map(shutil.which, ("unshare", "mount"))):
        pytest.skip("mounts need Linux's unshare and mount")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path, mounts: None) -> Iterator[Callable[[str], Path]]:
    """``disk("size=1m")`` is a real, empty disk of that size at ``tmp_path/disk``.

    Another call mounts it again with other options.
    """
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        if folder.is_mount():
            options = f"remount,{options}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(command, capture_output=True, check=True)
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; a test that asks for it is skipped where there is none."""
    if EXECUTABLE is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Callable[[Path, int, str], tuple[Any, list[str]]]:
    """Open a page, with a width in pixels and ``light`` or ``dark``; see ``chromium.look``."""
    return partial(look, browser)


@pytest.fixture(scope="session")
def real_archive() -> Path:
    """The real archive of COVID-QU-Ex; a test that asks for it is skipped where it is missing."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "covid-qu-ex" / "archive.zip"
    path = Path(os.environ.get("COVSEG_ARCHIVE", beside))
    if not path.is_file():
        pytest.skip(f"COVID-QU-Ex is not at {path}: name it in COVSEG_ARCHIVE")
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def environment_of(cache: Path, measured: bool = False) -> dict[str, str]:
    """The environment of a process that a test starts.

    Without coverage, which makes a process up to twice as slow, unless it is ``measured``.
    """
    names = [name for name in os.environ if measured or not name.startswith("COVERAGE")]
    return {name: os.environ[name] for name in names} | {
        "COVSEG_CACHE": str(cache),
        "COLUMNS": "80",
    }


def run_command(
    *words: str,
    cwd: Path,
    cache: Path,
    shell: str | None = None,
    measured: bool = False,
    **env: str,
) -> Outcome:
    """``python -m covseg.<words>`` in a process of its own, or as ``"$@"`` of a shell's script."""
    command = [sys.executable, "-m", f"covseg.{words[0]}", *words[1:]]
    done = subprocess.run(
        command if shell is None else ["bash", "-c", shell, "bash", *command],
        cwd=cwd,
        env=environment_of(cache, measured) | env,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def environment(phantom_cache: Path) -> dict[str, str]:
    """The environment of a process that a test starts by itself."""
    return environment_of(phantom_cache)


@pytest.fixture
def command(phantom_cache: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Run a verb in a process of its own, in ``tmp_path``."""
    return lambda *words, **env: run_command(*words, cwd=tmp_path, cache=phantom_cache, **env)


@pytest.fixture(scope="session")
def without_torch(phantom_cache: Path) -> Iterator[Callable[..., Outcome]]:
    """Run a verb in a process of its own, where nothing may import torch, in the folder ``cwd``."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("without_torch.py"))],
        env=environment_of(phantom_cache),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(*words: str, cwd: Path) -> Outcome:
        print(json.dumps([str(cwd), *words]), file=server.stdin, flush=True)
        return Outcome(*json.loads(server.stdout.readline()))

    with server:
        yield run


@pytest.fixture
def verb(
    phantom_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run a verb in this process, in ``tmp_path``: importing torch takes seconds."""

    def run(name: str, *overrides: str) -> Outcome:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COVSEG_CACHE", str(phantom_cache))
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setattr(sys, "argv", [name, *overrides])
        GlobalHydra.instance().clear()
        capsys.readouterr()
        try:
            importlib.import_module(f"covseg.{name}").main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def make_run(phantom_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Overrides -> a run folder, made by a real command line, for the tests of a file."""

    def make(*overrides: str) -> Path:
        home = tmp_path_factory.mktemp("made")
        words = ("train", *overrides, "hydra.run.dir=run")
        done = run_command(*words, cwd=home, cache=phantom_cache)
        assert done.code == 0, done.err
        return home / "run"

    return make


@pytest.fixture(scope="session")
def finished_run(make_run: Callable[..., Path]) -> Path:
    """A run folder of ``experiment=debug``; do not change it."""
    return make_run("experiment=debug")
