"""Mistakes, made for real: a test makes one, and sees what a user would see.

What covseg says of each stands in ``docs/mistakes.md``, for people; the tests hold it to that text.
``nox -s mistakes`` writes it anew, every command in a process of its own.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from covseg.data.phantom.dataset import write

DOC = Path(__file__).resolve().parents[2] / "docs" / "mistakes.md"
SECONDS = 30  # of work until a command is refused
HEAD = "| mistake | what covseg says |"
INTRODUCTION = """\
# Mistakes

What covseg says when something is wrong. `nox -s mistakes` writes this file: it makes every one of
these mistakes and copies the sentence; what stands in brackets is the system's or a library's own
reason. A refusal leaves no run folder, changes no file and ends with exit code 1;
`HYDRA_FULL_ERROR=1` brings the traceback back.
"""
_FOUND: dict[str, dict[str, str]] = {}  # section -> mistake -> sentence
_SECONDS: dict[str, float] = {}


class Said:
    """What the commands of one test said, under the name of the mistake that it makes.

    Args:
        request: of the test; its name, or that of its parameter, is the mistake.
        home: what a user would call their own folder.
        cache: of the phantom data.
        here: runs (verb, overrides...) in this process.
        alone: runs them in a process of their own, with an environment.
        without_torch: runs them in a process of their own that must not import torch.
    """

    def __init__(
        self,
        request: pytest.FixtureRequest,
        home: Path,
        cache: Path,
        here: Callable[..., Any],
        alone: Callable[..., Any],
        without_torch: Callable[..., Any],
    ) -> None:
        self._home, self._cache, self._here, self._alone = home, cache, here, alone
        self._without_torch = without_torch
        test = request.node
        spec = getattr(test, "callspec", None)
        name = spec.id if spec else test.originalname.removeprefix("test_").replace("_", " ")
        self._mistake = name[0].upper() + name[1:]
        self._section = (request.module.__doc__ or "").partition("\n")[0].rstrip(".")
        self._write = request.config.getoption("--write-mistakes")

    def refused(
        self, *words: str, leaves: str | None = None, torch: bool = True, **env: str
    ) -> str:
        """Run a command that must be refused, and give its sentence.

        Args:
            words: the verb and its overrides.
            leaves: a folder that stays, because work in it had begun; nothing else may change.
            torch: False where the configuration alone shows it: torch must not be imported.
            env: environment of a process of its own, ``shell`` a script to run ``"$@"`` in.
        """
        before = self._files(leaves)
        began = _worked()
        done = self._run(words, env, torch)
        seconds = _worked() - began
        assert done.code == 1, done.err
        assert "Traceback" not in done.err
        assert self._files(leaves) == before
        if leaves is None:
            assert seconds < SECONDS
            _SECONDS[self._mistake] = max(seconds, _SECONDS.get(self._mistake, 0))
        return self.said(done.err)

    def warned(self, *words: str, of: str, **env: str) -> str:
        """Run a command that warns with a line that holds ``of``, goes on and succeeds."""
        done = self._run(words, env)
        assert done.code == 0, done.err
        lines = [line for line in done.err.splitlines() if of in line]
        assert lines, done.err
        return self.said(lines[0])

    def _run(self, words: tuple[str, ...], env: dict[str, str], torch: bool = True) -> Any:
        if env or self._write:
            return self._alone(*words, **env)
        return self._here(*words) if torch else self._without_torch(*words, cwd=self._home)

    def said(self, err: str) -> str:
        """Hold the last line of ``err`` against the document."""
        *_, sentence = err.strip().splitlines()
        for path, name in ((self._cache, "/home/you/.cache/covseg"), (self._home, "/home/you")):
            sentence = sentence.replace(str(path), name)
        _FOUND.setdefault(self._section, {})[self._mistake] = sentence
        if not self._write:
            documented = read_document().get(self._section, {}).get(self._mistake)
            assert documented, f"{sentence!r} is not in {DOC.name}: run nox -s mistakes"
            assert _own_words(sentence) == _own_words(documented)
        return sentence

    def _files(self, but: str | None) -> dict[Path, tuple[int, int]]:
        """Files by size and time, less locks, CRCs that are kept, and what is excepted."""
        return {
            path: (path.stat().st_size, path.stat().st_mtime_ns)
            for path in self._home.rglob("*")
            if path.is_file() and path.suffix != ".lock" and not path.name.startswith("crcs-")
            if but is None or self._home / but not in path.parents
        }


@pytest.fixture
def said(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    phantom_cache: Path,
    verb: Callable[..., Any],
    command: Callable[..., Any],
    without_torch: Callable[..., Any],
) -> Said:
    """Run a command in ``tmp_path`` and hold what it says against the document."""
    return Said(request, tmp_path, phantom_cache, verb, command, without_torch)


@pytest.fixture(scope="session")
def _phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    write(root, 0, {"Train": 8, "Val": 4, "Test": 4}, size=32)
    return root


@pytest.fixture
def dataset(_phantom: Path, tmp_path: Path) -> Path:
    """A small dataset, unpacked, that a test may damage."""
    return Path(shutil.copytree(_phantom, tmp_path / "dataset"))


@pytest.fixture
def archive(_phantom: Path, tmp_path: Path) -> Path:
    """The same as a zip."""
    return Path(shutil.make_archive(str(tmp_path / "archive"), "zip", _phantom))


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run's folder that a test may damage."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def _worked() -> float:
    """Seconds that this process and its children have worked: a busy machine changes little."""
    return sum(os.times()[:4])


def _own_words(sentence: str) -> str:
    """Without what libraries and systems say, which another version says otherwise."""
    return re.sub(r"\(.*\)", "()", sentence)


def read_document() -> dict[str, dict[str, str]]:
    """Section -> mistake -> sentence."""
    found: dict[str, dict[str, str]] = {}
    for line in DOC.read_text(encoding="utf-8").splitlines() if DOC.exists() else ():
        if line.startswith("## "):
            section = found.setdefault(line[3:], {})
        elif line != HEAD and (match := re.fullmatch(r"\| (.*?) \| (.*) \|", line)):
            section[match[1]] = match[2].replace("\\|", "|")
    return found


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--write-mistakes"):
        return
    text, document = INTRODUCTION, read_document()
    for section in document | _FOUND:  # what did not run stays
        rows = document.get(section, {}) | _FOUND.get(section, {})
        text += f"\n## {section}\n\n{HEAD}\n|---|---|\n"
        text += "".join(f"| {k} | {v.replace('|', chr(92) + '|')} |\n" for k, v in rows.items())
    DOC.write_text(text, encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _SECONDS:
        slowest = max(_SECONDS, key=lambda mistake: _SECONDS[mistake])
        terminalreporter.write_line(
            f"{sum(map(len, _FOUND.values()))} mistakes; "
            f"slowest refusal: {_SECONDS[slowest]:.1f} s ({slowest})"
        )
