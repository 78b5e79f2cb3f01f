"""One evaluation: a run's network on a split, through the code that training reports with."""

import logging
import time
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
from torch import nn

from covseg import build, devices
from covseg.config.evaluate import Evaluate
from covseg.config.train import Train
from covseg.data.datamodule import XrayDataModule
from covseg.errors import CovsegError, DataMissing, RunError
from covseg.measure.baselines import Statistics
from covseg.run.folder.agreement import load_run_weights
from covseg.run.folder.provenance import provenance, write_provenance
from covseg.run.folder.reading import (
    WHOLE,
    checkpoint_of,
    config_as_changed,
    own_words,
    read_json,
    read_run,
)
from covseg.run.processes.signal_callback import Listener
from covseg.run.processes.signals import Interruption
from covseg.run.verbs import leaks, reproduction
from covseg.run.verbs.scoring import Scorer

log = logging.getLogger(__name__)

_BYTES = 2**28  # unpacked; two masks of 4096 pixels have half of it


def evaluate(config: Evaluate, out: Path, interruption: Interruption) -> float | None:
    """Score a split and report it, unless a signal ends it.

    Returns:
        the objective where the run's checkpoint was chosen on this split, else None.

    Raises:
        CovsegError: the run folder, the data or the request cannot be used.
    """
    began, run, changed = time.monotonic(), Path(config.run), config_as_changed(config)
    split = config.split or changed.protocol.report
    checkpoint = checkpoint_of(run, changed.protocol.checkpoint)
    statistics = _statistics(run / "baselines.npz", len(changed.data.targets))
    trainer = build.trainer(changed.trainer, out, [Listener(interruption)], [])
    network = _network(run, changed, checkpoint, trainer)
    data = build.datamodule(changed.data, changed.protocol, report=split, seed=changed.seed)
    data.trainer = trainer
    _set_up(data, from_run=config.data.root is None)
    same_data = _divided(data, run)
    leaks.recall_fitted(data, run, same_data=same_data)
    if trainer.is_global_zero:
        log.info("on %s", devices.described(changed.trainer))
        _warn(data, split, same_data)
    scorer = Scorer(trainer, build.module(changed, network), data)
    objective = scorer.objective(split) if split == changed.protocol.select else None
    scorer.score(split, changed.protocol, statistics, out, objective)
    if trainer.is_global_zero:
        found = provenance("evaluate", changed.seed, trainer.world_size)
        found |= {"run": str(run), "checkpoint": checkpoint.name, "data": data.facts()}
        found["seconds"] = round(time.monotonic() - began, 1)
        write_provenance(found, out / "provenance.json")
        scorer.show(out, 0)
        reproduction.compare(run, read_run(run), changed, split, out)
    return objective


def _warn(data: XrayDataModule, split: str, same_data: bool) -> None:
    """Say what of a split the weights were fitted on."""
    if same_data and split in data.fit:
        log.warning("%s was fitted on: its scores say how well it was learnt, no more", split)
    elif same_data or leaks.seen_rows(data, split):
        leaks.warn(data, split)


def _network(run: Path, changed: Train, checkpoint: Path, trainer: L.Trainer) -> nn.Module:
    """The run's network with its weights; every part of the configuration is tried out."""
    with own_words(run):
        built = build.network(changed)
        build.module(changed, built)
    # in the run's own precision before the weights come in: nothing is rounded on the way
    network = trainer.precision_plugin.convert_module(built)
    load_run_weights(network, run, checkpoint)
    return network


def _set_up(data: XrayDataModule, from_run: bool) -> None:
    """Read the data.

    Raises:
        DataMissing: it is not there; says whose idea the place was.
    """
    try:
        data.setup()
    except DataMissing as error:
        if not from_run or data.data.root is None:
            raise
        where, cause, _ = error.args
        raise DataMissing(
            f"{where}, which the run's configuration names,",
            cause,
            "say data.root=<its place on this machine>",
        ) from error


def _divided(data: XrayDataModule, run: Path) -> bool:
    """Form the parts as the run had them, unless these are other images: it has fitted none.

    Raises:
        RunError: a fold of them is asked for.
    """
    try:
        fitted = read_json(run / "provenance.json")["data"]["fingerprint"]
    except (OSError, ValueError, LookupError, TypeError):
        fitted = None
    if fitted == data.store.fingerprint:
        leaks.divide(data, run)
        return True
    divided = data.data.fold is not None or data.data.exclude is not None
    if fitted is None and divided:
        raise RunError(
            run / "provenance.json", "does not say which data the run has divided", WHOLE
        )
    if data.data.fold is not None:
        raise RunError(
            f"data.root={data.data.root}",
            f"holds other images than those that {run} has divided into folds",
            "let data.root name those",
        )
    if fitted is not None:
        log.info("these are other images than the run was fitted on: nothing is said of copies")
    return False


def _statistics(path: Path, n_targets: int) -> Statistics:
    """What the baselines learnt from the run's fitting data.

    Raises:
        RunError: the file is missing or damaged, or is not of this run.
    """
    if not path.exists():
        raise RunError(path, "is missing", WHOLE)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > _BYTES:
                    raise RunError(path, "unpacks to far more than baselines have", WHOLE)
        found = Statistics.load(path)
    except CovsegError:
        raise
    except Exception as error:  # a damaged file can make numpy and zlib raise almost anything
        raise RunError(path, f"cannot be read ({error})", WHOLE) from error
    parts = (found.share, found.mean_mask, found.threshold)
    if [part.ndim for part in parts] != [1, 3, 1] or not all(_are_shares(part) for part in parts):
        raise RunError(path, "holds something else than baselines", WHOLE)
    if any(len(part) != n_targets for part in parts):
        raise RunError(path, "is of another run, with other targets", WHOLE)
    return found


def _are_shares(part: npt.NDArray[Any]) -> bool:
    is_float = np.issubdtype(part.dtype, np.floating)
    return bool(is_float and part.size and ((part >= 0) & (part <= 1)).all())
