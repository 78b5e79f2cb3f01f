"""The five runs of ``protocol=kfold`` together: every image scored once, by a run without it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from covseg import build
from covseg.config.train import Train
from covseg.data.datamodule import XrayDataModule
from covseg.data.division import N_FOLDS
from covseg.data.index import Key
from covseg.errors import RunError
from covseg.measure import baselines
from covseg.measure.operating_point import OperatingPoint
from covseg.measure.records import Records
from covseg.measure.summary import Summary, summarise, write_summary
from covseg.report.table import print_summary
from covseg.run.folder.history import write_provenance
from covseg.run.folder.provenance import provenance
from covseg.run.folder.resume import same_result
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs import leaks


def report_folds(runs: Sequence[Path], command: str) -> None:
    """Score all images together, for each configuration with all its folds among these runs.

    Writes ``per_image.csv`` and ``summary.json`` into ``folds_<run>_<run>...`` beside the runs, and
    prints the table.

    Args:
        runs: run folders; unfinished ones are ignored.
        command: that ran them.

    Raises:
        RunError: folds are of different divisions, or a file of a run cannot be used.
    """
    for folds in _alike(runs):
        if len(folds) == N_FOLDS:
            of_all = [run for _, run in sorted(folds.items())]
            name = f"folds_{'_'.join(run.path.name for run in of_all)}"
            _report(of_all, RunFolder(of_all[0].path.with_name(name)), command)
        else:
            missing = ", ".join(str(fold) for fold in range(N_FOLDS) if fold not in folds)
            run = next(iter(folds.values()))
            text = f"no table of all images: fold {missing} is not finished beside {run}"
            print(text, file=sys.stderr)  # noqa: T201  no job's log is open


def _alike(runs: Sequence[Path]) -> list[dict[int, RunFolder]]:
    """Runs of the same images that differ in nothing that changes a result but their fold."""
    groups: dict[tuple[str, str | None], dict[int, RunFolder]] = {}
    for run in (RunFolder(path, trust=None) for path in runs):
        if run.finished and run.config.data.fold is not None:
            same = same_result(run.config), run.fingerprint
            groups.setdefault(same, {})[run.config.data.fold] = run
    return list(groups.values())


def _report(runs: Sequence[RunFolder], out: RunFolder, command: str) -> None:
    if len({run.findings.read_bytes() for run in runs}) > 1:
        raise RunError(
            runs[0].path.parent,
            "has folds of different divisions, because copies were searched for again in between",
            "run all of them again",
        )
    of_runs = [Records.read(run.per_image) for run in runs]
    trivial, seen, n_seen = list[dict[str, Records]](), set[Key](), 0
    for run, records in zip(runs, of_runs, strict=True):
        config = run.config
        data = _data(config, run)
        number = data.index.numbers()
        seen |= leaks.leaking(data, "fold") or set()
        n_seen += len(leaks.seen_rows(data, "fold"))
        rows = [number[key] for key in dict.fromkeys(records.keys)]
        statistics = baselines.BaselineStatistics.load(run.baselines)
        trivial.append(baselines.records(statistics, data.store, rows, config.data.targets))
    records, protocol = Records.joined(of_runs), config.protocol
    scores = build.scores(protocol)
    summary: Summary = {"split": "folds", "fold": None, "excluded": {}}
    summary |= summarise(
        records,
        {name: Records.joined([of[name] for of in trivial]) for name in trivial[0]},
        point=OperatingPoint(protocol.fixed_threshold, protocol.fixed_min_pixels),
        objective=None,
        families=leaks.families(data),
        leaks=seen,
        scores=scores,
        targets=config.data.targets,
    )
    if n_seen:
        summary["fitted_before"] = n_seen
    if (n_scored := len(set(records.keys))) < (n_images := len(data.index.rows)):
        print(f"only {n_scored} of the {n_images} images are scored", file=sys.stderr)  # noqa: T201
    records.write(out.per_image)
    write_summary(summary, out.summary)
    notes = provenance(command, config.seed, 1)
    notes |= {"runs": list(map(str, runs)), "data": data.facts()}
    write_provenance(notes, out.provenance)
    print_summary(summary, out.path, scores)


def _data(config: Train, run: RunFolder) -> XrayDataModule:
    data = build.datamodule(
        config.data,
        config.protocol,
        report="fold",
        findings=run.findings,
        split=run.split,
        fitted_before=leaks.fitted_by(run),
    )
    data.setup()
    return data
