"""What is installed here: known vulnerabilities, and licences that nobody has agreed to.

A vulnerability that could not be asked about is no pass: pip-audit itself says "No known
vulnerabilities found" where it could ask about nothing.
"""

import fnmatch
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOOLS = {"pip_audit": "pip-audit", "piplicenses": "pip-licenses"}


def main() -> None:
    """Print the licences, then every problem; exit code 1 where there is one."""
    missing = [name for module, name in TOOLS.items() if not importlib.util.find_spec(module)]
    if missing:
        sys.exit(f"{' and '.join(missing)} not found: pip install -e '.[audit]'")
    agreed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["covseg"]["licences"]
    packages = json.loads(ask("piplicenses", "--with-system", "--format=json").stdout)
    for package in sorted(packages, key=lambda p: (p["License"], p["Name"])):
        print(f"{package['License'][:58]:60}{package['Name']} {package['Version']}")
    asked = ask("pip_audit", "--format=json", "--progress-spinner=off", "--skip-editable")
    problems = [*foreign_licences(packages, agreed), *vulnerabilities(asked.stdout, asked.stderr)]
    print(f"\n{len(packages)} packages, {len(problems)} problems")
    if problems:
        sys.exit("\n".join(problems))


def ask(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment; what it found matters, not its exit code."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def foreign_licences(packages: Iterable[dict[str, str]], agreed: dict[str, Any]) -> Iterator[str]:
    """A sentence for every package with a licence that is not agreed to."""
    for package in packages:
        name, licence = package["Name"], package["License"]
        if any(fnmatch.fnmatch(name.lower(), pattern) for pattern in agreed["packages"]):
            continue
        if foreign := sorted(set(parts(licence)) - set(agreed["allowed"])):
            yield (
                f"{name} is under {', '.join(foreign)}: decide whether that may be, and say so in "
                "pyproject.toml, tool.covseg.licences"
            )


def parts(licence: str) -> list[str]:
    """The single licences of an expression: each must be agreed to, also of an OR."""
    found = re.split(r" AND | OR |; ", licence)
    # a bracket may belong to the expression or to a name, such as Mozilla's
    return [part if part.count("(") == part.count(")") else part.strip("()") for part in found]


def vulnerabilities(out: str, err: str) -> Iterator[str]:
    """A sentence for every known vulnerability, and one for what could not be asked."""
    try:
        found = json.loads(out)["dependencies"]
    except ValueError:
        last = (err.strip().splitlines() or ["no word"])[-1]
        yield f"Vulnerabilities could not be asked about: {last}"
        return
    for package in found:
        for known in package.get("vulns", []):
            mended = ", ".join(known["fix_versions"]) or "no release yet"
            yield f"{package['name']} {package['version']} has {known['id']}: mended in {mended}"
    unasked = [p["name"] for p in found if "skip_reason" in p and p["name"] != "covseg"]
    if unasked:
        yield (
            f"{len(unasked)} of {len(found)} packages could not be asked about ({unasked[0]}, "
            "...): the advisory service is out of reach, or does not know these releases"
        )


if __name__ == "__main__":
    main()
