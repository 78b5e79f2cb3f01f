"""What became of the jobs of a sweep that failed."""

import traceback
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from covseg.run.folder.sweep_folder import SweepJob

_WIDTH = 80


def print_failures(failed: Sequence[SweepJob]) -> None:
    """Print a table of them to stderr: the overrides of each, and why it failed."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name, ratio in (("job", None), ("overrides", 1), ("why it failed", 2)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for job in failed:
        reason = job.reason or "its process ended without a message"
        table.add_row(job.folder.name, " ".join(job.overrides), reason)
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    console.print(table, width=min(_WIDTH, console.width))


def without_locals(error: Exception) -> Exception:
    """An error whose traceback no longer holds what its job worked with, such as a GPU's memory."""
    known, chain = set[int](), [error]
    while chain:
        one = chain.pop()
        known.add(id(one))
        traceback.clear_frames(one.__traceback__)
        causes = (one.__cause__, one.__context__)
        chain += [c for c in causes if isinstance(c, Exception) and id(c) not in known]
    return error
