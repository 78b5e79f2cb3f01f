"""One training run: everything is built and checked first, then data, then fitting, then scores."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from covseg import build, devices
from covseg.config import Train
from covseg.errors import TrainingError
from covseg.learn.checkpoint import load_weights
from covseg.measure import baselines
from covseg.report.callbacks import EpochTable
from covseg.report.provenance import provenance, write_provenance
from covseg.run.folder import reported_checkpoint
from covseg.run.interrupt import Interruption
from covseg.run.scoring import Scorer

log = logging.getLogger(__name__)


class Training:
    """A run of ``covseg.train`` in its folder.

    Args:
        config: checked.
        out: the run folder, with ``config.yaml`` in it.

    Raises:
        CovsegError: an argument that a part refuses, before any data is read.
    """

    def __init__(self, config: Train, out: Path) -> None:
        self.config, self.out, self._began = config, out, time.monotonic()
        self.checkpoints = out / "checkpoints"
        L.seed_everything(config.seed, workers=True, verbose=False)
        self.network = build.network(config)
        self.module = build.module(config, self.network)
        if config.init is not None:
            load_weights(self.network, reported_checkpoint(Path(config.init)))
        protocol = config.protocol
        assert protocol.report != "auto"
        self.data = build.datamodule(
            config.data,
            protocol,
            report=protocol.report,
            seed=config.seed,
            transforms=build.augment(config),
        )
        self.trainer = build.trainer(
            config.trainer,
            out,
            [*self._callbacks(), *build.callbacks(config)],
            build.loggers(config, out),
        )
        self.data.trainer = self.trainer
        self._provenance = provenance("train", config.seed, self.trainer.world_size)

    def prepare(self) -> None:
        """Read the data, and refuse what cannot be fitted."""
        config = self.config
        self.data.setup("fit")
        rows = self.data.rows(*config.protocol.fit)
        self.data.check()
        if self.trainer.is_global_zero:
            self._note(data=self.data.facts())
            baselines.fit(self.data.store, rows, config.data.targets).save(
                self.out / "baselines.npz"
            )
            self._announce(len(rows))

    def fit(self, interruption: Interruption) -> None:
        """Fit, until the end or an interruption."""
        config = self.config
        steps = len(self.data.train_dataloader()) * (config.trainer.max_epochs or 1)
        if config.trainer.max_steps > 0:
            steps = min(steps, config.trainer.max_steps)
        devices.compile_network(self.network, config.model.compile, steps)
        self.trainer.fit(self.module, datamodule=self.data)
        if interruption.epoch is not None and self.trainer.is_global_zero:
            where = f"by Ctrl-C in epoch {interruption.epoch} of {config.trainer.max_epochs}"
            self._note(interrupted=where)
            log.warning("stopped %s: the scores are of what was learnt until then", where)

    def report(self) -> float | None:
        """Score the checkpoint that the protocol reports, on the split that it reports."""
        protocol = self.config.protocol
        chosen = self._reported_checkpoint()
        load_weights(self.network, chosen)
        scorer = Scorer(self.trainer, self.module, self.data)
        objective = scorer.objective(protocol.select) if protocol.select else None
        statistics = baselines.Statistics.load(self.out / "baselines.npz")
        scorer.report(self.data.report, protocol, statistics, self.out, objective)
        if self.trainer.is_global_zero:
            self._note(checkpoint=chosen.name, seconds=round(time.monotonic() - self._began, 1))
        return objective

    def _reported_checkpoint(self) -> Path:
        """The file that the protocol reports, the last state saved first where nothing was.

        Raises:
            TrainingError: the best is wanted, and no epoch was ever scored on Val.
        """
        chosen = self.checkpoints / f"{self.config.protocol.checkpoint}.ckpt"
        last = self.checkpoints / "last.ckpt"
        # these two make Lightning keep none; all processes save together
        dry = bool(self.config.trainer.fast_dev_run)
        if dry or self.config.trainer.enable_checkpointing is False:
            for path in {last, chosen}:
                self.trainer.save_checkpoint(path)
        self.trainer.strategy.barrier()
        if not chosen.exists():
            raise TrainingError(
                chosen,
                "never came to be, because training ended before any score on Val",
                "train longer or validate earlier (trainer.check_val_every_n_epoch), or take "
                "last.ckpt by evaluate with checkpoint=last",
            )
        return chosen

    def _callbacks(self) -> list[L.Callback]:
        """What every run has: checkpoints and ``metrics.csv``."""
        callbacks: list[L.Callback] = [EpochTable(self.out / "metrics.csv")]
        if self.config.trainer.enable_checkpointing is not False:
            callbacks.append(self._checkpoint("last", monitor=None))
            if self.config.protocol.select:
                callbacks.append(self._checkpoint("best", monitor=build.MONITOR))
        return callbacks

    def _checkpoint(self, name: str, monitor: str | None) -> ModelCheckpoint:
        """One file that is written over: after every epoch, or only after a better one."""
        return ModelCheckpoint(
            self.checkpoints,
            filename=name,
            monitor=monitor,
            save_on_train_epoch_end=monitor is None,  # the last epoch, validated or not
            mode="min",
            auto_insert_metric_name=False,  # the metric's slash would become a folder
            enable_version_counter=False,
        )

    def _announce(self, n_images: int) -> None:
        weights = sum(p.numel() for p in self.network.parameters())
        config, processes = self.config, self.trainer.world_size
        log.info(
            "%s parameters; fitting %d images of %s, batches of %d on %d process(es): %d a step",
            f"{weights:,}",
            n_images,
            " and ".join(config.protocol.fit),
            config.data.batch_size,
            processes,
            config.data.batch_size * processes,
        )

    def _note(self, **more: object) -> None:
        """Write ``provenance.json``: at the start what is known then, the rest at the end."""
        self._provenance |= more
        write_provenance(self._provenance, self.out / "provenance.json")


@contextlib.contextmanager
def finished_loggers() -> Iterator[None]:
    """Close W&B's run however the work ends: else the next job of a sweep goes on in it."""
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        wandb = sys.modules.get("wandb")  # its import takes time and files: only its logger does
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=exit_code)
