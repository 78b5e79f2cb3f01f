"""A sweep folder: its jobs, and what became of each.

Every job leaves ``job.json`` in a folder of its own, whatever launcher runs it and however it ends.
A table can be made, and the sweep continued, from the sweep folder alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Any

from filelock import FileLock

from covseg.files import write_whole
from covseg.run.folder.json_file import read_json
from covseg.run.folder.lock import in_use
from covseg.run.folder.run_folder import RunFolder

RECORD = "job.json"


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep.

    Attributes:
        number: its place in the sweep.
        overrides: of this job.
        command: a token of the command that ran it last.
        folder: that belongs to it, in the sweep folder.
        run: the run folder that it worked in; not ``folder`` where it resumed another run.
        reason: why it failed, None if it has not.
    """

    number: int
    overrides: list[str]
    command: str
    folder: Path
    run: RunFolder
    reason: str | None = None

    @property
    def status(self) -> str:
        """``finished``, ``failed``, ``running``, or ``unfinished`` if it was stopped or killed."""
        if self.reason is not None:
            return "failed"
        if self.run.finished:
            return "finished"
        return "running" if in_use(self.run) else "unfinished"

    def write(self) -> None:
        """Write ``job.json``."""
        own = self.run.path == self.folder
        record: dict[str, Any] = {
            "number": self.number,
            "overrides": self.overrides,
            "command": self.command,
            "run": None if own else str(self.run.path.absolute()),  # a sweep may be moved
            "reason": self.reason,
        }
        write_whole(self.folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


class SweepFolder:
    """The folder of a sweep.

    Attributes:
        path: of the folder.
        table: one row a job.
        picture: the objective over what varies.
        page: table and picture.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table = path / "sweep.csv"
        self.picture = path / "sweep.png"
        self.page = path / "sweep.html"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def lock(self) -> FileLock:
        """Held while something is written that is about all jobs."""
        return FileLock(self.path / ".lock")

    def jobs(self) -> list[SweepJob]:
        """The jobs that have started so far, in their order."""
        jobs = []
        for record in self.path.glob(f"*/{RECORD}"):
            try:
                jobs.append(_read(record))
            except (OSError, ValueError, LookupError, TypeError):
                continue  # cut short by a kill: the job is run again
        return sorted(jobs, key=lambda job: (job.number, job.folder.name))

    def folder_of(self, overrides: Sequence[str], made: Path) -> Path:
        """The folder of the job with these overrides.

        Args:
            overrides: of the job, in any order.
            made: the folder that Hydra has made for it, used if the job is new and that is empty.
        """
        for job in self.jobs():
            if sorted(job.overrides) == sorted(overrides):
                return job.folder
        names = chain([made], (made.with_name(f"{made.name}_{n}") for n in count(2)))
        return next(name for name in names if not name.exists() or not any(name.iterdir()))


def _read(path: Path) -> SweepJob:
    record = read_json(path)
    run = RunFolder(record["run"] or path.parent, trust=None)
    reason = record["reason"]
    overrides = [str(override) for override in record["overrides"]]
    return SweepJob(
        number=int(record["number"]),
        overrides=overrides,
        command=str(record["command"]),
        folder=path.parent,
        run=run,
        reason=None if reason is None else str(reason),
    )
