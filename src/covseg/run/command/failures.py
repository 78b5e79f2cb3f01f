"""What became of the jobs of a sweep that failed."""

import traceback
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from covseg.errors import RunError
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob

_FAILED = {"failed", "unfinished"}
_WIDTH = 80


def raise_failures(folder: SweepFolder, token: str, again: str, cause: Exception | None) -> None:
    """Print the jobs of a command that failed, and raise.

    Args:
        folder: of the sweep.
        token: of the command.
        again: the override that continues the sweep, for the shell.
        cause: the first error, where it is known in this process.

    Raises:
        RunError: a job has failed.
    """
    jobs = folder.jobs_of(token)
    failed = [job for job in jobs if job.status in _FAILED]
    if not failed:
        return
    _print_failures(failed)
    # where a launcher gave up, or another command has begun them
    running = sum(job.status == "running" for job in folder.jobs())
    remedy = (
        f"correct what the table names, and repeat the command with {again}, which runs these "
        "again and no other"
    )
    if any(job.search is not None and job.reason is not None for job in failed):
        remedy = (
            "a trial that failed counts and is not run again, so correct the space and begin "
            f"another search, or repeat the command with {again} and a higher "
            "hydra.sweeper.n_trials"
        )
    raise RunError(
        f"{len(failed)} of {len(jobs)} jobs",
        f"failed, {running} still run" if running else "failed, the others are done",
        remedy,
    ) from cause


def _print_failures(failed: Sequence[SweepJob]) -> None:
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
