"""``sweep.csv``: one row a job, from the run folders alone."""

from typing import Any

from covseg.csv_files import write_csv
from covseg.measure.summary import by_target
from covseg.report.sweep.result import Row, SweepResult
from covseg.run.folder.json_file import json_value
from covseg.run.folder.sweep_folder import SweepFolder, SweepJob


def sweep_result(sweep: SweepFolder) -> SweepResult:
    """The jobs of a sweep that have started so far."""
    jobs = sweep.jobs()
    settings = [dict(_split(override) for override in job.overrides) for job in jobs]
    keys = dict.fromkeys(key for of_job in settings for key in of_job)
    varying = [key for key in keys if len({of_job.get(key) for of_job in settings}) > 1]
    return SweepResult(
        [
            _row(job, {key: of_job.get(key, "") for key in varying})
            for job, of_job in zip(jobs, settings, strict=True)
        ]
    )


def write_sweep_table(sweep: SweepFolder) -> SweepResult:
    """Write ``sweep.csv``, and return what it holds.

    Raises:
        RunError: it cannot be written.
    """
    result = sweep_result(sweep)
    scores = list(dict.fromkeys(name for row in result.rows for name in row.scores))
    bounds = ("value", "low", "high")
    columns = ["job", *result.keys, "status", "objective", "scored_split"]
    columns += [f"{name}{'' if b == 'value' else f'_{b}'}" for name in scores for b in bounds]
    columns += ["seconds", "folder", "reason"]
    rows = [
        [
            *(row.job, *(row.settings[key] for key in result.keys), row.status),
            *(row.objective, row.split),
            *(row.scores.get(name, {}).get(bound) for name in scores for bound in bounds),
            *(row.seconds, row.folder, row.reason),
        ]
        for row in result.rows
    ]
    write_csv(sweep.table, columns, rows)
    return result


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+~"), value


def _row(job: SweepJob, settings: dict[str, str]) -> Row:
    """A job with what its run folder says; nothing of a run that is not finished."""
    status = job.status  # read once, as every file: the table is made anew after each job
    head: dict[str, Any] = {"job": job.folder.name, "settings": settings, "status": status}
    own = job.run.path == job.folder
    head |= {"folder": job.folder.name if own else str(job.run), "reason": job.reason or ""}
    summary = json_value(job.run.summary) if status == "finished" else None
    if not isinstance(summary, dict):
        return Row(**head)
    return Row(
        **head,
        split=str(summary["split"]),
        objective=(summary.get("objective") or {}).get("value"),
        scores={
            "/".join(filter(None, (target, name))): entry
            for target, part in by_target(summary).items()
            for name, entry in part["scores"].items()
        },
        seconds=job.run.seconds,
    )
