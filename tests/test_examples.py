"""The example project with parts of its own: every command of its README."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from csv import DictReader
from pathlib import Path

import pytest

import covseg
from covseg.errors import ConfigError

pytestmark = pytest.mark.long

PROJECT = Path(__file__).parents[1] / "examples" / "own_parts"
TEXT = (PROJECT / "README.md").read_text()
COMMANDS = re.findall(r"^    python -m (.+)$", TEXT, re.M)
TRY, TRAIN, TWO, SWEEP, EVALUATE, RESUME = COMMANDS

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(PROJECT, tmp_path_factory.mktemp("example") / "own_parts"))


@pytest.fixture(scope="module")
def run(project: Path, phantom_cache: Path) -> Run:
    def command(line: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-m", *shlex.split(line)]
        environment = os.environ | {"COVSEG_CACHE": str(phantom_cache)}
        return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True)

    return command


@pytest.fixture(scope="module")
def trained(run: Run, project: Path) -> Path:
    done = run(TRAIN)
    assert done.returncode == 0, done.stderr
    return project / "run"


def test_own_parts_are_trained_and_recorded(trained):
    assert "mylab.network.residual_unet" in (trained / "config.yaml").read_text()
    assert json.loads((trained / "provenance.json").read_text())["trust"] == ["mylab"]


def test_an_own_score_stands_among_the_others(trained):
    summary = json.loads((trained / "summary.json").read_text())
    score = summary["scores"]["specificity_pooled"]
    with (trained / "per_image.csv").open() as file:
        rows = list(DictReader(file))
    names = ("n_pixels", "truth_pixels", "fp")
    sums = {name: sum(float(row[name]) for row in rows) for name in names}
    negative = sums["n_pixels"] - sums["truth_pixels"]
    expected = (negative - sums["fp"]) / negative
    assert score["value"] == pytest.approx(expected, abs=1e-12)
    assert score["low"] <= score["value"] <= score["high"]
    assert summary["baselines"]["predict_nothing"]["scores"]["specificity_pooled"] == 1.0


@pytest.mark.parametrize("line", [EVALUATE, RESUME], ids=["evaluate", "resume"])
def test_a_run_folder_does_not_decide_what_is_executed(line, run, trained):
    done = run(line.replace(" trust=[mylab]", ""))
    assert done.returncode == 1
    assert "trust=[mylab] in " in done.stderr
    assert done.stderr.strip().endswith("set trust=[mylab] as well if you know that code.")
    assert "Traceback" not in done.stderr


def test_from_python_it_is_the_same(trained, monkeypatch):
    with pytest.raises(ConfigError, match="as well if you know that code"):
        covseg.load(trained)
    monkeypatch.syspath_prepend(trained.parent)
    assert covseg.load(trained, trust=["mylab"]).targets == ["infection"]


@pytest.mark.nightly  # a quarter of a minute
def test_with_the_same_words_it_is_scored_and_continued(run, trained):
    done = run(EVALUATE)
    assert done.returncode == 0, done.stderr
    assert "were reproduced; largest difference 0" in done.stderr
    done = run(RESUME)
    assert done.returncode == 0, done.stderr
    assert "epoch 4:" in done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("line", [TRY, TWO, SWEEP], ids=["preset", "two processes", "sweep"])
def test_the_other_commands_work(line, run):
    done = run(line)
    assert done.returncode == 0, done.stderr
