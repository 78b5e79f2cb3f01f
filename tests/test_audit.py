"""``nox -s audit``: nothing passes that nobody has looked at."""

import importlib.util
import json
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
AGREED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["covseg"]["licences"]
spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
assert spec
assert spec.loader
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)


@pytest.mark.parametrize(
    ("licence", "foreign"),
    [
        ("MIT", None),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", None),
        ("Mozilla Public License 2.0 (MPL 2.0)", None),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", None),
        ("MIT AND GPL-3.0-only", "GPL-3.0-only"),
        ("Apache Software License; Other/Proprietary License", "Other/Proprietary License"),
        ("UNKNOWN", "UNKNOWN"),
    ],
)
def test_every_part_of_a_licence_must_be_agreed_to(licence: str, foreign: str | None) -> None:
    problems = list(audit.foreign_licences([{"Name": "some", "License": licence}], AGREED))
    assert len(problems) == (foreign is not None)
    assert all(f"some is under {foreign}: decide" in problem for problem in problems)


def test_a_package_may_be_agreed_to_by_name() -> None:
    package = {"Name": "nvidia-cudnn-cu12", "License": "LicenseRef-NVIDIA-Proprietary"}
    assert not list(audit.foreign_licences([package], AGREED))


def report(*packages: dict) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


SOUND = {"name": "rich", "version": "15.0", "vulns": []}
KNOWN = {"name": "torch", "version": "2.6", "vulns": [{"id": "CVE-1", "fix_versions": ["2.7"]}]}
UNASKED = {"name": "numpy", "skip_reason": "Dependency not found on PyPI"}
ITSELF = {"name": "covseg", "skip_reason": "distribution marked as editable"}


def test_a_known_vulnerability_is_a_problem_and_a_sound_package_none() -> None:
    assert not list(audit.vulnerabilities(report(SOUND, ITSELF), ""))
    assert list(audit.vulnerabilities(report(SOUND, KNOWN), "")) == [
        "torch 2.6 has CVE-1: mended in 2.7"
    ]


def test_what_could_not_be_asked_about_is_no_pass() -> None:
    """Protects: pip-audit says "No known vulnerabilities found" and 0 when it could ask nothing."""
    [problem] = audit.vulnerabilities(report(SOUND, UNASKED, ITSELF), "")
    assert problem.startswith("1 of 3 packages could not be asked about (numpy, ...)")
    [problem] = audit.vulnerabilities("", "Traceback\nConnectionError: no such host\n")
    assert problem == "Vulnerabilities could not be asked about: ConnectionError: no such host"


def test_a_missing_tool_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "TOOLS", {"pip_audit_that_is_not": "pip-audit"})
    with pytest.raises(SystemExit, match=r"pip-audit not found: pip install -e '\.\[audit\]'"):
        audit.main()
