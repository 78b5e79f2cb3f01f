"""One evaluation: a run's network on a split, through the code that training reports with."""

import logging
import time
import zipfile
from pathlib import Path

import lightning as L
import numpy as np
from torch import nn

from covseg import build
from covseg.config import Evaluate, Train
from covseg.data.datamodule import XrayDataModule
from covseg.errors import CovsegError, DataMissing, RunError
from covseg.learn.checkpoint import load_weights
from covseg.measure.baselines import Statistics
from covseg.report.provenance import provenance, write_provenance
from covseg.run import repetition
from covseg.run.folder import checkpoint_of, config_as_changed, own_words, read_run
from covseg.run.scoring import Scorer

log = logging.getLogger(__name__)

_BYTES = 2**30  # unpacked; two masks of 4096 pixels have an eighth


def evaluate(config: Evaluate, out: Path) -> float | None:
    """Score a split and report it.

    Returns:
        the objective where the run's checkpoint was chosen on this split, else None.

    Raises:
        CovsegError: the run folder, the data or the request cannot be used.
    """
    began, run, changed = time.monotonic(), Path(config.run), config_as_changed(config)
    split = config.split or changed.protocol.report
    if split in changed.protocol.fit:
        log.warning("%s was fitted on: its scores say how well it was learnt, no more", split)
    checkpoint = checkpoint_of(run, changed.protocol.checkpoint)
    statistics = _statistics(run / "baselines.npz", len(changed.data.targets))
    trainer = build.trainer(changed.trainer, out, [], [])
    network = _network(run, changed, checkpoint, trainer)
    data = build.datamodule(changed.data, changed.protocol, report=split, seed=changed.seed)
    data.trainer = trainer
    _set_up(data, from_run=config.data.get("root") is None)
    scorer = Scorer(trainer, build.module(changed, network), data)
    objective = scorer.objective(split) if split == changed.protocol.select else None
    scorer.report(split, changed.protocol, statistics, out, objective)
    if trainer.is_global_zero:
        found = provenance("evaluate", changed.seed, trainer.world_size)
        found |= {"run": str(run), "checkpoint": checkpoint.name, "data": data.facts()}
        found["seconds"] = round(time.monotonic() - began, 1)
        write_provenance(found, out / "provenance.json")
        repetition.compare(run, read_run(run), changed, split, out)
    return objective


def _network(run: Path, changed: Train, checkpoint: Path, trainer: L.Trainer) -> nn.Module:
    """The run's network with its weights; every part of the configuration is tried out."""
    with own_words(run):
        built = build.network(changed)
        build.module(changed, built)
    # in the run's own precision before the weights come in: nothing is rounded on the way
    network = trainer.precision_plugin.convert_module(built)
    load_weights(network, checkpoint)
    return network


def _set_up(data: XrayDataModule, from_run: bool) -> None:
    """Read the data.

    Raises:
        DataMissing: it is not there; says whose idea the place was.
    """
    try:
        data.setup()
    except DataMissing as error:
        where, cause, remedy = error.args
        if not from_run or data.data.root is None:
            raise
        raise DataMissing(
            f"{where}, which the run's configuration names,",
            cause,
            f"say data.root=<its place on this machine>; {remedy}",
        ) from error


def _statistics(path: Path, n_targets: int) -> Statistics:
    """What the baselines learnt from the run's fitting data.

    Raises:
        RunError: the file is missing or damaged, or is not of this run.
    """
    again = "copy the run folder again, as a whole"
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > _BYTES:
                    raise RunError(path, "unpacks to more than any mask is large", again)
        found = Statistics.load(path)
    except CovsegError:
        raise
    except Exception as error:  # a damaged file can make numpy and zlib raise almost anything
        raise RunError(path, f"cannot be read ({error})", again) from error
    parts = (found.share, found.mean_mask, found.threshold)
    if not all(np.issubdtype(part.dtype, np.floating) for part in parts):
        raise RunError(path, "holds something else than the run's baselines", again)
    shape = found.mean_mask.shape
    if [part.shape for part in parts] != [(n_targets,), (n_targets, *shape[1:]), (n_targets,)]:
        raise RunError(path, f"is not of this run, which has {n_targets} target(s)", again)
    if len(shape) != 3 or 0 in shape or not all(((p >= 0) & (p <= 1)).all() for p in parts):
        raise RunError(path, "holds shares that are not between 0 and 1", again)
    return found
