"""The jobs of a sweep, one after the other: one that fails does not stop the others."""

import contextlib
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from covseg.errors import CovsegError, RunError

_WIDTH = 80


@dataclass
class Sweep:
    """What came of the jobs so far.

    Attributes:
        jobs: folder, overrides, and why it failed; None for a job that did not.
        error: the first.
    """

    jobs: list[tuple[Path, str, str | None]] = field(default_factory=list)
    error: Exception | None = None

    @contextlib.contextmanager
    def noted(self, out: Path, overrides: Sequence[str]) -> Iterator[None]:
        """Note what comes of a job; its error passes."""
        reason = None
        try:
            yield
        except Exception as error:
            self.error = self.error or _without_locals(error)
            reason = f"{type(error).__name__}: {error}; see the log in {os.path.relpath(out)}"
            if isinstance(error, CovsegError):
                reason = error.sentence
            raise
        finally:
            self.jobs.append((out, " ".join(overrides), reason))

    def check(self) -> None:
        """Show what failed.

        Raises:
            RunError: a job has.
        """
        failed = [(out, words, reason) for out, words, reason in self.jobs if reason is not None]
        if not failed:
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name, ratio in (("job", None), ("overrides", 1), ("why it failed", 2)):
            table.add_column(name, ratio=ratio, overflow="fold")
        for out, words, reason in failed:
            table.add_row(out.name, words, reason)
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        console.print(table, width=min(_WIDTH, console.width))
        raise RunError(
            f"{len(failed)} of {len(self.jobs)} jobs",
            "failed, the others are done",
            "mend what the table says, and run those again",
        ) from self.error


def _without_locals(error: Exception) -> Exception:
    """An error whose traceback no longer holds what its job worked with, such as a GPU's memory."""
    known, chain = set[int](), [error]
    while chain:
        one = chain.pop()
        known.add(id(one))
        traceback.clear_frames(one.__traceback__)
        causes = (one.__cause__, one.__context__)
        chain += [c for c in causes if isinstance(c, Exception) and id(c) not in known]
    return error
