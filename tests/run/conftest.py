"""Verbs as their users call them: in this process (fast) or in one of their own (exact)."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from covseg.run import start


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run_command(*words: str, cwd: Path, cache: Path, **env: str) -> Outcome:
    """``python -m covseg.<words>`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", f"covseg.{words[0]}", *words[1:]],
        cwd=cwd,
        env=os.environ | {"COVSEG_CACHE": str(cache), "COLUMNS": "80"} | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def command(phantom_cache: Path, tmp_path: Path) -> Callable[..., Outcome]:
    """Run a verb in a process of its own, in ``tmp_path``."""
    return lambda *words, **env: run_command(*words, cwd=tmp_path, cache=phantom_cache, **env)


@pytest.fixture
def verb(
    phantom_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """Run a verb in this process, in ``tmp_path``: without the seconds that importing torch takes."""

    def run(name: str, *overrides: str) -> Outcome:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COVSEG_CACHE", str(phantom_cache))
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", [name, *overrides])
        GlobalHydra.instance().clear()
        capsys.readouterr()
        try:
            start.main(name)
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def finished_run(phantom_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of ``experiment=debug``, made by a real command line; do not change it."""
    home = tmp_path_factory.mktemp("finished")
    done = run_command(
        "train", "experiment=debug", "hydra.run.dir=run", cwd=home, cache=phantom_cache
    )
    assert done.code == 0, done.err
    return home / "run"
