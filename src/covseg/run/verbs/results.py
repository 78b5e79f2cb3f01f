"""A document of the scores of runs, from their folders alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from covseg.config.results import Results
from covseg.config.train import Train
from covseg.errors import ConfigError, RunError, setting
from covseg.files import write_whole
from covseg.measure.scores import SCORES
from covseg.measure.summary import Summary, by_target
from covseg.report.results.document import document
from covseg.report.results.reported_run import ReportedRun
from covseg.report.table import show
from covseg.run.folder.json_file import json_value, read_json
from covseg.run.folder.run_folder import WHOLE, RunFolder
from covseg.run.verbs.compared_images import trained_in
from covseg.run.verbs.compared_runs import name_of


def write_results(config: Results, out: Path, command: str) -> None:
    """Write the document of these runs.

    Raises:
        RunError: a run has no scores, or not of the split and the images of the first one.
        ConfigError: a run is named twice, or cannot be read without trust.
    """
    if twice := [run for run in config.runs if config.runs.count(run) > 1]:
        raise ConfigError(setting("runs", config.runs), f"names {twice[0]} twice", "name it once")
    folders = [RunFolder(path) for path in config.runs]
    runs = [_read(folder, folders, config) for folder in folders]
    target = runs[0].config.data.targets[0]
    for folder, run in zip(folders, runs, strict=True):
        _check_same(folders[0], runs[0], folder, run, target)
    path = Path(config.output) if config.output else out / "results.md"
    write_whole(path, document(runs, target, command).encode())
    show(None, f"results: {path}")


def _read(folder: RunFolder, folders: list[RunFolder], config: Results) -> ReportedRun:
    trained = RunFolder(trained_in(folder)[0], config.trust)
    return ReportedRun(
        name=name_of(folder, folders),
        config=trained.config,
        parts=_parts(folder, trained.config),
        threshold=json_value(folder.summary, "threshold"),
        split=json_value(folder.summary, "split"),
        n_excluded=sum((json_value(folder.summary, "excluded") or {}).values()),
        provenance=_mapping(trained.provenance),
        evaluation=None if trained.path == folder.path else _mapping(folder.provenance),
    )


def _parts(folder: RunFolder, config: Train) -> dict[str, Summary]:
    """The summary of each target, by its name."""
    parts = by_target(_mapping(folder.summary))
    try:
        for part in parts.values():
            if missing := SCORES.keys() - part["scores"].keys():
                raise RunError(
                    folder.summary,
                    f"has no {', '.join(sorted(missing))}, because an older covseg wrote it",
                    "score the run again with covseg.evaluate",
                )
            _ = part["n_images"], part["baselines"]["predict_nothing"]["scores"]
    except (LookupError, TypeError, AttributeError) as error:
        raise RunError(folder.summary, "is damaged", WHOLE) from error
    return {config.data.targets[0] if name == "" else name: part for name, part in parts.items()}


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        remedy = f"name run folders with scores, or {WHOLE}"
        raise RunError(path, "is missing or damaged", remedy) from error
    if not isinstance(content, Mapping):
        raise RunError(path, "is damaged", WHOLE)
    return dict(content)


def _check_same(
    one: RunFolder, first: ReportedRun, other: RunFolder, second: ReportedRun, target: str
) -> None:
    """Refuse a run of another target, split or dataset.

    Raises:
        RunError: names the two runs.
    """
    if target not in second.parts:
        raise RunError(other, f"has no scores of the target {target}", "leave it out")
    for what, ours, theirs in (
        ("the split", first.split, second.split),
        ("images", first.parts[target].get("n_images"), second.parts[target].get("n_images")),
        ("data with the fingerprint", first.fingerprint, second.fingerprint),
    ):
        if ours != theirs:
            raise RunError(
                other,
                f"reports {what} {theirs}, and {one} {ours}",
                "name runs that report the same split of the same data",
            )
