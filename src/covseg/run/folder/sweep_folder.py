"""A sweep folder: its jobs, and what became of each.

Every job leaves ``job.json`` in a folder of its own, whatever launcher runs it and however it ends.
A table can be made, and the sweep continued, from the sweep folder alone.
"""

import json
import os
import time
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

_RECORD = "job.json"
_MANY, _SECONDS = 100, 60  # jobs whose table, which reads all folders, is written only so often


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep.

    Attributes:
        number: its place in the sweep.
        overrides: of this job.
        command: a token of the command that ran it last.
        folder: that belongs to it, in the sweep folder.
        run: the run folder that it worked in; not ``folder`` where it resumed another run.
        reason: why it failed or was pruned, None if it was not.
        pruned: whether a search has ended it early.
        search: the options of the search whose trial it is, None if there is no search.
    """

    number: int
    overrides: list[str]
    command: str
    folder: Path
    run: RunFolder
    reason: str | None = None
    pruned: bool = False
    search: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """``finished``, ``failed``, ``pruned``, ``running``, or ``unfinished`` after a kill."""
        if self.reason is not None:
            return "pruned" if self.pruned else "failed"
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
            "pruned": self.pruned,
            "search": self.search,
        }
        write_whole(self.folder / _RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


class SweepFolder:
    """The folder of a sweep.

    Attributes:
        path: of the folder.
        table: one row a job.
        picture: the objective over what varies.
        page: table and picture.
    """

    def __init__(self, path: str | Path) -> None:
        # as Hydra names job folders: without dots, but with symbolic links
        self.path = Path(os.path.abspath(path))  # noqa: PTH100
        self.table = self.path / "sweep.csv"
        self.picture = self.path / "sweep.png"
        self.page = self.path / "sweep.html"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def lock(self) -> FileLock:
        """Held while something is written that is about all jobs."""
        return FileLock(self.path / ".lock")

    def jobs(self) -> list[SweepJob]:
        """The jobs that have started so far, in their order."""
        read = (read_job(record.parent) for record in self.path.glob(f"*/{_RECORD}"))
        jobs = [job for job in read if job is not None]
        return sorted(jobs, key=lambda job: (job.number, job.folder.name))

    def jobs_of(self, command: str) -> list[SweepJob]:
        """The jobs that the command with this token has begun, in their order."""
        return [job for job in self.jobs() if job.command == command]

    @property
    def recent_table(self) -> bool:
        """Whether there are many jobs, and their table is of this minute."""
        try:
            age = time.time() - self.table.stat().st_mtime
        except OSError:
            return False
        return age < _SECONDS and sum(1 for _ in self.path.iterdir()) > _MANY

    def job(self, overrides: Sequence[str]) -> SweepJob | None:
        """The job with these overrides, in any order; None if it has not started."""
        wanted = sorted(overrides)
        return next((job for job in self.jobs() if sorted(job.overrides) == wanted), None)

    def begin(
        self,
        number: int,
        overrides: list[str],
        command: str,
        made: Path,
        search: dict[str, Any] | None,
    ) -> SweepJob:
        """Record that a job has started, unless it runs in another process, whose record stays.

        Args:
            number: as in ``SweepJob``, like ``command`` and ``search``.
            overrides: of the job, in any order.
            command: its token.
            made: the folder that Hydra has made for it, used if the job is new and that is empty.
            search: the options of the search.

        Raises:
            OSError: the sweep cannot be locked.
            RunError: the record cannot be written.
        """
        with self.lock:
            folder = self._folder_of(overrides, made)
            run = RunFolder(folder)
            job = SweepJob(number, overrides, command, folder, run, search=search)
            if job.status != "running":
                job.write()
        return job

    def _folder_of(self, overrides: Sequence[str], made: Path) -> Path:
        if (job := self.job(overrides)) is not None:
            return job.folder
        names = chain([made], (made.with_name(f"{made.name}_{n}") for n in count(2)))
        return next(name for name in names if not name.exists() or not any(name.iterdir()))


def read_job(folder: Path) -> SweepJob | None:
    """The job of a folder; None if there is no record of one that can be read."""
    try:
        record = read_json(folder / _RECORD)
        return SweepJob(
            number=int(record["number"]),
            overrides=[str(override) for override in record["overrides"]],
            command=str(record["command"]),
            folder=folder,
            run=RunFolder(record["run"] or folder, trust=None),
            reason=None if record["reason"] is None else str(record["reason"]),
            pruned=bool(record["pruned"]),
            search=None if record["search"] is None else dict(record["search"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
