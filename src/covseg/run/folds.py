"""The five runs of ``protocol=kfold`` as one: every image scored once, by a run without it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from covseg import build
from covseg.config import Train
from covseg.data.datamodule import XrayDataModule
from covseg.data.division import N_FOLDS
from covseg.errors import RunError
from covseg.measure import baselines
from covseg.measure.records import Records
from covseg.measure.summary import Summary, summarise, write_summary
from covseg.report.table import print_summary
from covseg.run import leaks
from covseg.run.folder import read_run
from covseg.run.resume import finished


def report_folds(runs: Sequence[Path]) -> None:
    """Score all images together, for each configuration with all its folds among these runs.

    Writes ``per_image.csv`` and ``summary.json`` into ``folds_<run>_<run>...`` beside the runs, and
    prints the table.

    Args:
        runs: run folders; those that are not finished do not count.

    Raises:
        RunError: two runs have an image in common, because copies were searched for in between.
    """
    for of_one in _complete(runs):
        out = of_one[0].with_name(f"folds_{'_'.join(run.name for run in of_one)}")
        _report(of_one, out)


def _complete(runs: Sequence[Path]) -> Iterator[list[Path]]:
    """Runs that differ in their fold alone, where every fold is there."""
    alike: dict[str, dict[int, Path]] = {}
    for run in filter(finished, runs):
        config = read_run(run)
        if config.data.fold is not None:
            values = config.model_dump(by_alias=True)
            del values["data"]["fold"]
            alike.setdefault(json.dumps(values, sort_keys=True), {})[config.data.fold] = run
    for folds in alike.values():
        if len(folds) == N_FOLDS:
            yield [run for _, run in sorted(folds.items())]


def _report(runs: Sequence[Path], out: Path) -> None:
    found = [Records.read(run / "per_image.csv") for run in runs]
    trivial = list[dict[str, Records]]()
    for run in runs:
        config = read_run(run)
        data = _data(config, run)
        statistics = baselines.Statistics.load(run / "baselines.npz")
        rows, targets = data.rows("fold"), config.data.targets
        trivial.append(baselines.records(statistics, data.store, rows, targets))
    records, protocol = Records.joined(found), config.protocol
    if len(set(zip(records.keys, records.target.tolist(), strict=True))) < len(records.name):
        raise RunError(
            runs[0].parent,
            "holds folds that share images, for copies were searched for again between two of them",
            "run all of them again",
        )
    summary: Summary = {"split": "folds", "fold": None, "excluded": {}}
    summary |= summarise(
        records,
        {name: Records.joined([of[name] for of in trivial]) for name in trivial[0]},
        threshold=protocol.threshold,
        detection_min_pixels=protocol.detection_min_pixels,
        objective=None,
        families=leaks.families(data),
        leaks=set(),
    )
    records.write(out / "per_image.csv")
    write_summary(summary, out / "summary.json")
    print_summary(summary, out)


def _data(config: Train, run: Path) -> XrayDataModule:
    data = build.datamodule(config.data, config.protocol, report="fold", seed=config.seed)
    data.setup()
    leaks.divide(data, run)
    return data
