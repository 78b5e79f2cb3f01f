"""What the documents say is what happens."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from covseg.measure.scores import SCORES
from covseg.run.compose import CONF

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_calls_exactly_the_readmes_test_command() -> None:
    *_, command = (ROOT / ".ci" / "run").read_text().strip().splitlines()
    assert f"    {command}\n" in README
    assert command in (ROOT / "CONTRIBUTING.md").read_text().replace("python -m", "python3 -m")


def test_the_readme_names_every_option_and_every_score() -> None:
    for group in filter(Path.is_dir, CONF.iterdir()):
        for option in group.glob("*.yaml"):
            assert f"`{option.stem}`" in README, option
    for score in SCORES:
        assert f"`{score}`" in README


def test_no_picture_but_phantoms() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.png", "*.jpg", "*.npy", "*.npz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    assert set(tracked.stdout.split()) <= {"docs/phantom.png"}


def test_the_configuration_travels_in_the_wheel(tmp_path: Path) -> None:
    """Protects: an installed covseg finds its conf/, also from a console script."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    [wheel] = tmp_path.glob("covseg-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    environment["PYTHONPATH"] = str(site)
    for command in (
        [str(site / "bin" / "covseg-train"), "--cfg", "job", "experiment=demo"],
        [sys.executable, "-m", "covseg.train", "--cfg", "job", "experiment=demo"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "base_channels: 8" in done.stdout
    code = "import covseg.run.compose as c; print(c.CONF)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == site / "covseg" / "conf"
