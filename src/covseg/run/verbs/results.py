"""A document of the scores of runs, from their folders alone."""

from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from covseg.config.results import Results
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.files import write_whole
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.measure.summary import Summary, by_target
from covseg.report.results.document import document
from covseg.report.results.reported_run import ReportedRun
from covseg.report.table import show
from covseg.run.folder.json_file import read_json
from covseg.run.folder.run_folder import WHOLE, RunFolder
from covseg.run.verbs.compared_images import trained_in
from covseg.run.verbs.compared_runs import check_same, name_of


def write_results(config: Results, out: Path, command: str) -> None:
    """Write the document of these runs.

    Raises:
        RunError: a run has no scores, or not of the images and the target of the first one.
        ConfigError: a run is named twice, or cannot be read without trust.
    """
    if twice := [run for run in config.runs if config.runs.count(run) > 1]:
        raise ConfigError(setting("runs", config.runs), f"names {twice[0]} twice", "name it once")
    folders = [RunFolder(path) for path in config.runs]
    runs = [_read(folder, folders, config) for folder in folders]
    target = runs[0].config.data.targets[0]
    records = [_records(folder, target) for folder in folders]
    for folder, of_run, run in zip(folders, records, runs, strict=True):
        check_same(folders[0], records[0], folder, of_run)
        try:
            document([run], target, command)
        except (LookupError, TypeError, AttributeError, ValueError, UndefinedError) as error:
            raise RunError(folder, "has a damaged summary or provenance", WHOLE) from error
    path = Path(config.output) if config.output else out / "results.md"
    write_whole(path, document(runs, target, command).encode())
    show(None, f"results: {path}")


def _read(folder: RunFolder, folders: list[RunFolder], config: Results) -> ReportedRun:
    trained = RunFolder(trained_in(folder)[0], config.trust)
    return ReportedRun(
        name=name_of(folder, folders),
        config=trained.config,
        summary=(summary := _content(folder.summary)),
        parts=_parts(folder, summary, trained.config),
        provenance=_content(trained.provenance),
        evaluation=None if trained.path == folder.path else _content(folder.provenance),
    )


def _parts(folder: RunFolder, summary: Summary, config: Train) -> dict[str, Summary]:
    """The summary of each target, by its name."""
    parts = by_target(summary)
    for part in parts.values():
        if isinstance(part, dict) and (missing := SCORES.keys() - part.get("scores", {}).keys()):
            raise RunError(
                folder.summary,
                f"has no {sorted(missing)[0]}",
                f"score the run again with covseg.evaluate, or {WHOLE}",
            )
    return {config.data.targets[0] if name == "" else name: part for name, part in parts.items()}


def _content(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file."""
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        remedy = f"name run folders with scores, or {WHOLE}"
        raise RunError(path, "is missing or damaged", remedy) from error
    if not isinstance(content, dict):
        raise RunError(path, "is damaged", WHOLE)
    return content


def _records(folder: RunFolder, target: str) -> Records:
    """The records of the target."""
    records = Records.read(folder.per_image)
    if target not in records.target:
        raise RunError(folder, f"has no scores of the target {target}", "leave it out")
    return records.where(records.target == target)
