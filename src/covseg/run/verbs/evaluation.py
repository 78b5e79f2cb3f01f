"""One evaluation: a run's network on a split, through the code that training reports with."""

import dataclasses
import logging
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
from torch import nn

from covseg import build, devices
from covseg.config.protocol import CHOSEN
from covseg.data.datamodule import XrayDataModule
from covseg.data.index import UNDIVIDED
from covseg.errors import ConfigError, CovsegError, DataMissing, RunError
from covseg.learn.module import SegmentationModule
from covseg.learn.networks.ensemble import Ensemble
from covseg.measure.baselines import BaselineStatistics
from covseg.measure.scores import Score
from covseg.measure.thresholds import OverThresholds, read_thresholds
from covseg.report.best_effort import best_effort
from covseg.run.folder.agreement import load_run_weights
from covseg.run.folder.history import write_provenance
from covseg.run.folder.provenance import provenance
from covseg.run.folder.run_folder import WHOLE, RunFolder
from covseg.run.processes.signal_callback import SignalCallback
from covseg.run.processes.signals import Interruption
from covseg.run.verbs import leaks, reproduction
from covseg.run.verbs.copies_of_fitted import copies_of_fitted
from covseg.run.verbs.request import Request
from covseg.run.verbs.scoring import Scorer
from covseg.run.verbs.showing import show

log = logging.getLogger(__name__)

_BYTES = 2**28  # unpacked; two masks of 4096 pixels have half of it


def evaluate(request: Request, out: Path, command: str, interruption: Interruption) -> float | None:
    """Score a split and report it, unless a signal ends it.

    Returns:
        the objective where the run's checkpoint was chosen on this split, else None.

    Raises:
        CovsegError: the run folder, the data or the request cannot be used.
    """
    began, run, config, split = time.monotonic(), request.run, request.config, request.split
    statistics = _statistics(run.baselines, len(config.data.targets))
    trainer = build.trainer(config.trainer.scoring, out, [SignalCallback(interruption)], [])
    module, scores = _built(request, trainer)
    data = build.datamodule(
        config.data,
        config.protocol,
        report=split,
        findings=run.findings,
        split=run.split,
        fitted_before=leaks.fitted_by(run, *(other for other, _ in request.others)),
        fingerprint=run.fingerprint or "",
    )
    data.trainer = trainer
    _set_up(data, from_run=not request.other_place)
    if not data.same_data:
        _check_other_data(data, request)
        split = data.report  # all, of data without splits
        if trainer.is_global_zero:  # no other process reports leaks
            data.copies_of_fitted = copies_of_fitted(run, data, request.fitted_root)
    leaks.check_choice(data, config.protocol)
    if trainer.is_global_zero:
        log.info("on %s", devices.described(config.trainer.scoring))
        for sentence in leaks.warnings(data, split):
            log.warning(sentence)
    scorer = Scorer(trainer, module, data, scores)
    objective = scorer.objective(split) if split == config.protocol.select else None
    folder = RunFolder(out)
    result = scorer.score(split, config.protocol, statistics, folder, request.checkpoint, objective)
    if result is not None:
        facts = provenance(command, config.seed, trainer.world_size, config.trust)
        facts |= {"run": str(run), "checkpoint": request.checkpoint.name, "data": data.facts()}
        if request.others:
            facts |= {"others": [str(checkpoint) for _, checkpoint in request.others]}
        facts |= {"seconds": round(time.monotonic() - began, 1), "finished": True}
        write_provenance(facts, folder.provenance)
        known = _selecting_thresholds(request, scores)
        show(dataclasses.replace(result, thresholds={**known, **result.thresholds}), scores)
        reproduction.compare(request, folder)
    return objective


def _selecting_thresholds(
    request: Request, scores: Mapping[str, Score]
) -> dict[tuple[str, str], OverThresholds]:
    """The run's own scores over thresholds on the split that selects, of the same checkpoint."""
    run, own = request.run, request.run.config.protocol
    now = request.config.protocol
    other = request.others or (own.checkpoint, own.flips) != (now.checkpoint, now.flips)
    if other or not run.thresholds.exists():
        return {}
    with best_effort("what Val would choose to the page", "the page has the rest"):
        of_run = read_thresholds(run.thresholds, scores)
        return {key: of for key, of in of_run.items() if key[0] == own.select}
    return {}


def _built(request: Request, trainer: L.Trainer) -> tuple[SegmentationModule, dict[str, Score]]:
    """The run's network with its weights, or the mean of several, and its scores."""
    members = [(request.run, request.checkpoint), *request.others]
    networks = [_network(run) for run, _ in members]
    try:
        scores = build.scores(request.config.protocol)
        whole = networks[0] if len(networks) == 1 else Ensemble(networks)
        module = build.module(request.config, whole, scores)
    except ConfigError as error:
        raise request.run.refused(error) from error
    for network, (run, checkpoint) in zip(networks, members, strict=True):
        # in the run's own precision before the weights are loaded: nothing is rounded in between
        trainer.precision_plugin.convert_module(network)
        load_run_weights(network, run, checkpoint)
    return module, scores


def _network(run: RunFolder) -> nn.Module:
    try:
        return build.network(run.config)
    except ConfigError as error:
        raise run.refused(error) from error


def _set_up(data: XrayDataModule, from_run: bool) -> None:
    """Read the data.

    Raises:
        DataMissing: it is not there; names the run's configuration if that has set the place.
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
            "set data.root=<its path on this machine>",
        ) from error


def _check_other_data(data: XrayDataModule, request: Request) -> None:
    """Refuse to divide other data as the run did, and to choose or score a split of undivided data.

    Raises:
        RunError: the run has divided its data, and this is not known to be the same.
        ConfigError: the data has no splits.
    """
    run, protocol = request.run, request.config.protocol
    if data.report == UNDIVIDED:
        asked = [f"split={request.split}"] * request.split_is_asked
        asked += [f"{key}=auto" for key in CHOSEN if getattr(protocol, key) == "auto"]
        if asked:
            cause = f"needs splits, and {data.data.root} has none"
            raise ConfigError(asked[0], cause, "leave it out, or add a column split")
    folds = data.data.fold is not None
    if run.fingerprint is None and (folds or data.data.exclude is not None):
        raise RunError(run.provenance, "does not name the data that the run has divided", WHOLE)
    if folds:
        raise RunError(
            f"data.root={data.data.root}",
            f"has other images than those that {run} has divided into folds",
            "set data.root= to those",
        )


def _statistics(path: Path, n_targets: int) -> BaselineStatistics:
    """What the baselines learned from the run's fitting data.

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
        statistics = BaselineStatistics.load(path)
    except CovsegError:
        raise
    except Exception as error:  # a damaged file can make numpy and zlib raise almost anything
        raise RunError(path, f"cannot be read ({error})", WHOLE) from error
    parts = (statistics.share, statistics.mean_mask, statistics.threshold)
    if [part.ndim for part in parts] != [1, 3, 1] or not all(_are_shares(part) for part in parts):
        raise RunError(path, "holds something else than baselines", WHOLE)
    if any(len(part) != n_targets for part in parts):
        raise RunError(path, "is of another run, with other targets", WHOLE)
    return statistics


def _are_shares(part: npt.NDArray[Any]) -> bool:
    is_float = np.issubdtype(part.dtype, np.floating)
    return bool(is_float and part.size and ((part >= 0) & (part <= 1)).all())
