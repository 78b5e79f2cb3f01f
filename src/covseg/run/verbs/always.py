"""The callbacks of every training run: checkpoints, ``metrics.csv``, signals, connections."""

import math
from collections.abc import Mapping

import lightning as L

from covseg import build
from covseg.config.train import Train
from covseg.learn.progress import Progress
from covseg.learn.save import SaveBest, SaveProgress
from covseg.measure.scores import Score
from covseg.report.callbacks import EpochTable
from covseg.report.curves import Curves
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import read_job
from covseg.run.processes.connections import KeepAlive
from covseg.run.processes.signal_callback import SignalCallback
from covseg.run.processes.signals import Interruption


def always(
    config: Train,
    scores: Mapping[str, Score],
    run: RunFolder,
    start: Progress,
    curves: Curves,
    interruption: Interruption,
) -> list[L.Callback]:
    """The callbacks that no configuration names.

    Args:
        config: of the run.
        scores: by name.
        run: its folder.
        start: where training begins.
        curves: of the run.
        interruption: whether this process was asked to end.
    """
    monitored = build.monitor(config.protocol, scores)
    table = EpochTable(run.metrics, *monitored)
    callbacks: list[L.Callback] = [SignalCallback(interruption), table, curves]
    if config.trainer.num_nodes > 1:
        callbacks.append(KeepAlive())
    job = read_job(run.path)
    if job is not None and job.search is not None and job.search["pruner"] is not None:
        from covseg.run.verbs.prune import PruneTrial  # imports Optuna

        callbacks.append(PruneTrial(job, f"val/{job.search['objectives'][0]}"))
    if not config.trainer.keeps_checkpoints:
        return callbacks
    if config.protocol.select:
        callbacks.append(SaveBest(run.checkpoints, *monitored))
    limit = config.trainer.time_limit
    saving = SaveProgress(
        run.last,
        config.callbacks.checkpoint_every_n_steps,
        config.trainer.whole_epochs,
        start,
        stop_requested=lambda: bool(interruption),
        seconds=math.inf if limit is None else limit.total_seconds(),
    )
    return [*callbacks, saving]
