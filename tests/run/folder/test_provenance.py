"""Provenance says which code, where, and with what."""

import json
import subprocess
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch

from covseg.run.folder import provenance as module
from covseg.run.folder.history import write_provenance
from covseg.run.folder.provenance import provenance

HERE = Path(__file__).parent


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that holds what passes for covseg's own source."""
    git(tmp_path, "init", "-q")
    source = tmp_path / "provenance.py"
    source.write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(module, "__file__", str(source))
    return source


def test_it_has_every_part():
    found = provenance("train", seed=7, devices=2, trust=["mylab"])
    assert set(found) == {"command", "started", "seed", "trust", "git", "versions", "hardware"}
    assert (found["command"], found["seed"], found["trust"]) == ("train", 7, ["mylab"])
    assert found["hardware"]["processes"] == 2
    assert len(found["hardware"]["gpus"]) == torch.cuda.device_count()
    assert found["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert {"python", "covseg", "lightning", "numpy"} <= set(found["versions"])


def test_a_package_that_is_not_installed_is_null(monkeypatch):
    real = module.version

    def version(name: str) -> str:
        if name == "wandb":
            raise PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(module, "version", version)
    found = provenance("train", 0, 1)["versions"]
    assert found["wandb"] is None
    assert found["numpy"] == np.__version__


@pytest.mark.parametrize(
    ("cuda", "cudnn", "written"), [("12.8", 91002, "91002"), (None, None, None)], ids=["gpu", "cpu"]
)
def test_the_versions_of_cuda_and_cudnn_are_torchs(cuda, cudnn, written, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: cudnn)
    found = provenance("train", 0, 1)["versions"]
    assert (found["cuda"], found["cudnn"]) == (cuda, written)


def test_it_started_now_in_universal_time():
    started = datetime.fromisoformat(provenance("train", 0, 1)["started"])
    assert abs((datetime.now(started.tzinfo) - started).total_seconds()) < 60
    assert started.utcoffset().total_seconds() == 0


def test_the_commit_is_that_of_this_checkout():
    try:
        head = git(HERE, "rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the tests do not lie in a checkout")
    if not Path(module.__file__).is_relative_to(git(HERE, "rev-parse", "--show-toplevel")):
        pytest.skip("covseg is not imported from this checkout")
    assert provenance("train", 0, 1)["git"]["commit"] == head


def test_a_change_makes_it_dirty(checkout):
    clean = {"commit": git(checkout.parent, "rev-parse", "HEAD"), "dirty": False}
    assert provenance("train", 0, 1)["git"] == clean
    checkout.write_text("2\n")
    assert provenance("train", 0, 1)["git"] == clean | {"dirty": True}


def test_a_package_inside_somebody_elses_repository_has_no_commit(checkout, monkeypatch):
    installed = checkout.parent / "site-packages" / "provenance.py"
    installed.parent.mkdir()
    installed.write_text("1\n")
    monkeypatch.setattr(module, "__file__", str(installed))
    assert provenance("train", 0, 1)["git"] is None


def test_outside_of_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "__file__", str(tmp_path / "provenance.py"))
    assert provenance("train", 0, 1)["git"] is None


def test_without_git_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance("train", 0, 1)["git"] is None


def test_what_is_written_reads_back_as_it_was(tmp_path):
    found = provenance("train", 0, 1) | {"data": {"root": "Röntgen"}}
    write_provenance(found, tmp_path / "provenance.json")
    text = (tmp_path / "provenance.json").read_text(encoding="utf-8")
    assert json.loads(text) == found
    assert "Röntgen" in text
