"""One process with spawned loader processes needs nothing that Windows and macOS lack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "elsewhere"


def run(place: Path, cache: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COVSEG_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.nightly  # half a minute; nox -s portable runs on Windows and macOS for every change
@pytest.mark.skipif(sys.platform != "linux", reason="takes from Linux what the others lack")
def test_a_run_needs_no_part_of_linux(tmp_path: Path, phantom_cache: Path) -> None:
    """Protects: many in this field have their one GPU under Windows."""
    words = ("experiment=debug", "data.num_workers=1", "hydra.run.dir=run")
    done = run(tmp_path, phantom_cache, "covseg.train", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["finished"]


@pytest.mark.skipif(sys.platform == "linux", reason="Linux can")
def test_several_processes_need_linux_and_say_so(tmp_path: Path, phantom_cache: Path) -> None:
    words = ("experiment=debug", "trainer.devices=2", "trainer.accelerator=cpu")
    done = run(tmp_path, phantom_cache, "covseg.train", *words)
    assert "trainer.devices=2 needs Linux" in done.stderr
