"""One evaluation: a run's network on a split, through the code that training reports with."""

import logging
import time
from pathlib import Path

from covseg import build
from covseg.config import Evaluate
from covseg.learn.checkpoint import load_weights
from covseg.measure.baselines import Statistics
from covseg.report.provenance import provenance, write_provenance
from covseg.run.folder import config_as_changed
from covseg.run.scoring import Scorer

log = logging.getLogger(__name__)


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
    checkpoint = run / "checkpoints" / f"{changed.protocol.checkpoint}.ckpt"
    statistics = Statistics.load(run / "baselines.npz")
    trainer = build.trainer(changed.trainer, out, [], [])
    # in the run's own precision before the weights come in: nothing is rounded on the way
    network = trainer.precision_plugin.convert_module(build.network(changed))
    load_weights(network, checkpoint)
    data = build.datamodule(changed.data, changed.protocol, report=split, seed=changed.seed)
    data.trainer = trainer
    data.setup()
    scorer = Scorer(trainer, build.module(changed, network), data)
    objective = scorer.objective(split) if split == changed.protocol.select else None
    scorer.report(split, changed.protocol, statistics, out, objective)
    if trainer.is_global_zero:
        found = provenance("evaluate", changed.seed, trainer.world_size)
        found |= {"run": str(run), "checkpoint": checkpoint.name, "data": data.facts()}
        found["seconds"] = round(time.monotonic() - began, 1)
        write_provenance(found, out / "provenance.json")
    return objective
