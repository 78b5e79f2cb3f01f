"""What a run is called on a dashboard."""

import shlex
from typing import Any

from covseg.config.train import Train
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import read_job
from covseg.run.override import fixed_keys

_LONGEST = 128  # characters of a name that W&B takes


def labels(config: Train, run: RunFolder, command: str, run_id: str) -> dict[str, Any]:
    """Name, id, tags, and for a job of a sweep its group and type.

    A run without a name is called by its folder; a job of a sweep by what varies, such as
    ``depth=2 lr=0.001``.

    Args:
        config: of the run.
        run: its folder.
        command: as it was typed.
        run_id: of the run.
    """
    known = {"id": run_id, "tags": config.tags, "name": config.name or run.path.name}
    job = read_job(run.path)
    if job is None:
        return known
    fixed = fixed_keys(shlex.split(command))
    settings = (override.partition("=") for override in job.overrides)
    varies = [(key, value) for key, _, value in settings if key not in fixed]
    if varies and config.name is None:
        name = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in varies)
        known["name"] = name[:_LONGEST]
    return known | {"group": job.folder.parent.name, "job_type": "sweep"}
