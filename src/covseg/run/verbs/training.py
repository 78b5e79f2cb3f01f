"""One training run: everything is built and checked first, then data, then fitting, then scores."""

import contextlib
import dataclasses
import logging
import signal
import time
from pathlib import Path
from typing import Any

import lightning as L

from covseg import build, devices
from covseg.config.train import Train
from covseg.data.audit.typical import TypicalImages
from covseg.data.augment import Augment
from covseg.data.datamodule import XrayDataModule
from covseg.errors import ConfigError, RunError, Stopped, TrainingError, setting
from covseg.learn.checkpoint import put_weights, read_checkpoint
from covseg.learn.progress import KEY, Progress, TrainingPaused, progress_of
from covseg.learn.restore import restore_progress
from covseg.measure import baselines
from covseg.report.curves import Curves
from covseg.report.data_sentences import counted, sentences
from covseg.report.loggers.dashboard import Dashboards, Start
from covseg.report.throughput import Throughput
from covseg.run.folder.history import RunHistory
from covseg.run.folder.provenance import provenance
from covseg.run.folder.run_folder import RunFolder
from covseg.run.processes.signals import Interruption
from covseg.run.verbs import leaks
from covseg.run.verbs.always import always
from covseg.run.verbs.init import load_init
from covseg.run.verbs.labels import labels
from covseg.run.verbs.plan import Plan, check_validated, log_plan
from covseg.run.verbs.scoring import Scorer
from covseg.run.verbs.showing import show

log = logging.getLogger(__name__)


class Training:
    """A run of ``covseg.train`` in its folder; it resumes from the checkpoint in it, if any.

    Args:
        config: checked.
        out: the run folder, with ``config.yaml`` in it.
        command: as it was typed.
        interruption: whether this process was asked to end.

    Raises:
        CovsegError: an argument that a part refuses, before any data is read.
    """

    def __init__(self, config: Train, out: Path, command: str, interruption: Interruption) -> None:
        self.config, self.run, self._began = config, RunFolder(out), time.monotonic()
        self._interruption = interruption
        stored = self._stored()
        # a checkpoint of an older covseg has none
        self._knows_curves = stored is None or "Curves" in stored["callbacks"]
        self.progress = progress_of(stored, self.run.last) if stored else Progress()
        L.seed_everything(config.seed, workers=True, verbose=False)
        self.network = build.network(config)
        self._scores = build.scores(config.protocol)
        self.module = build.module(config, self.network, self._scores)
        transforms = build.augment(config)
        self._history, self._curves = RunHistory(self.run), Curves()
        self._throughput = Throughput()
        self.trainer = build.trainer(
            config.trainer,
            out,
            [
                *always(
                    *(config, self._scores, self.run, self.progress),
                    *(self._curves, interruption),
                ),
                *build.callbacks(config, self._scores),
            ],
            build.loggers(config, out, **labels(config, self.run, command, self._history.id)),
        )
        # last, where Lightning would put those that write checkpoints
        self.trainer.callbacks.append(self._throughput)  # type: ignore[attr-defined]
        self.dashboards = Dashboards(self.trainer.loggers, self.trainer.is_global_zero)
        # in its own precision before the weights are loaded: nothing is rounded in between
        self.trainer.precision_plugin.convert_module(self.network)
        if stored is not None:
            put_weights(self.network, stored, self.run.last)
        elif config.init is not None:
            load_init(self.network, config.init, config)
        now = provenance(command, config.seed, self.trainer.world_size, config.trust)
        if stored is None and config.init is None:
            now |= build.load_pretrained(self.network, config.model)
        self._history.begin(now, self.progress)
        self.data = self._datamodule(transforms)
        if stored:
            self._check_processes(len(stored[KEY]["processes"]))
            restore_progress(stored, self.progress, self.trainer)
            if self._knows_curves:
                self._curves.load_state_dict(stored["callbacks"]["Curves"])

    def _datamodule(self, transforms: Augment | None) -> XrayDataModule:
        config = self.config
        data = build.datamodule(
            config.data,
            config.protocol,
            report=config.protocol.report,
            seed=config.seed,
            augment=transforms,
            findings=self.run.findings,
            split=self.run.split,
            fitted_before=leaks.fitted_before(self.run, config.init),
            fingerprint=self.run.fingerprint,
            start=(self.progress.epoch, self.progress.batch),
        )
        data.trainer = self.trainer
        return data

    def prepare(self) -> None:
        """Read the data, and refuse what cannot be fitted."""
        config = self.config
        self.data.setup("fit")
        self._history.check_data(self.data.facts())
        rows = self.data.rows(*config.protocol.fit)
        self.data.check()
        plan = Plan(self.trainer, self.data.n_train_batches)
        check_validated(config, plan)
        leaks.check_start(self.data, config.init)
        compiled = self._compile(plan)
        if self.trainer.is_global_zero:
            baselines.fit(self.data.store, rows, config.data.targets).save(self.run.baselines)
            TypicalImages.of(self.data.store, rows).save(self.run.typical)
            leaks.write(self.data, self.run)
            n_parameters = sum(p.numel() for p in self.network.parameters())
            self._history.write(data=self.data.facts(), compiled=compiled, parameters=n_parameters)
            self._begin_dashboards()
            for sentence in sentences(self.data.listing, self.data.store):
                log.info(sentence)
            if self.data.new_splits is not None:
                log.info("the splits: %s", counted(self.data.new_splits))
            log_plan(config, self.network, plan, len(rows))
            for sentence in leaks.warnings(self.data, self.data.report):
                log.warning(sentence)

    def _begin_dashboards(self) -> None:
        start = Start(
            self._history.values,
            self.network,
            self.trainer.log_every_n_steps,  # type: ignore[attr-defined]
            self._curves.points,
            self._knows_curves,
        )
        self.trainer.loggers = self.dashboards.begin(start, self.run.path)

    def _compile(self, plan: Plan) -> bool:
        wanted = self.config.compile
        if wanted == "auto":  # a resumed run rounds as it began
            before = self._history["compiled"]
            wanted = wanted if before is None else before
        settings = self.config.trainer
        return devices.compile_network(self.network, wanted, plan.total_batches, settings)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to fit."""
        limits, now = self.config.trainer, self.progress
        epochs = limits.max_epochs not in {None, -1} and now.epoch >= (limits.max_epochs or 0)
        return epochs or now.stop or (limits.max_steps > 0 and now.step >= limits.max_steps)

    def fit(self) -> None:
        """Fit to the end, or until this process is asked to end.

        Raises:
            Stopped: by a cluster, or as one of several processes.
        """
        if self.complete:
            return
        saves = self.config.trainer.keeps_checkpoints
        try:
            with self._interruption.waiting() if saves else contextlib.nullcontext():
                self.trainer.fit(self.module, datamodule=self.data)
        except TrainingPaused as paused:
            self.progress = paused.progress
            self._halt()
        else:
            self.progress = dataclasses.replace(self.progress, stop=True)
        self._tell_throughput()

    def _tell_throughput(self) -> None:
        """Log how fast training was, and write it into the provenance."""
        values = self._throughput.values
        if values and self.trainer.is_global_zero:
            self._history.write(**values)
            log.info(
                "%.0f images/s while training, %.0f %% of the time waiting for data",
                values["images_per_second"],
                100 * values["share_waiting_for_data"],
            )

    def _halt(self) -> None:
        number, now = self._interruption.number, self.progress
        where = f"batch {now.batch} of epoch {now.epoch + 1}" if now.batch else f"epoch {now.epoch}"
        # another process may have received the signal, or its clock may be ahead
        decided = self.trainer.strategy.reduce_boolean_decision
        signalled = decided(number is not None, all=False)
        if not signalled and self.complete:
            return  # the time was over with the last epoch
        limit = setting("trainer.max_time", self.config.trainer.max_time)
        if now == Progress():  # nothing is learned, and no checkpoint written
            if signalled:
                raise Stopped(number or signal.SIGTERM)
            raise TrainingError(limit, "was over before the first step", "give more time")
        if self.trainer.is_global_zero:
            self._history.write(interrupted=f"after {where}")
            why = "stopped" if signalled else f"{limit} was reached"
            log.warning("%s after %s; resume=%s continues from there", why, where, self.run)
        if signalled and (number != signal.SIGINT or self.trainer.world_size > 1):
            raise Stopped(number or signal.SIGTERM)
        log.warning("the scores are of what was learned until then")

    def report(self) -> float | None:
        """Score the checkpoint that the protocol reports, on the split that it reports."""
        protocol = self.config.protocol
        chosen = self._reported_checkpoint()
        stored = read_checkpoint(chosen)
        put_weights(self.network, stored, chosen)
        scorer = Scorer(self.trainer, self.module, self.data, self._scores)
        objective = scorer.objective(protocol.select) if protocol.select else None
        statistics = baselines.BaselineStatistics.load(self.run.baselines)
        result = scorer.score(self.data.report, protocol, statistics, self.run, chosen, objective)
        if result is not None:
            seconds = round(time.monotonic() - self._began, 1)
            tried = self.config.trainer.fast_dev_run
            done = {"finished": True, "interrupted": None} if self.complete and not tried else {}
            if tried:
                log.warning("trainer.fast_dev_run only tests the program: its scores mean nothing")
            self._history.write(checkpoint=chosen.name, seconds=seconds, **done)
            at = self._curves.at(stored["global_step"])
            step = self.trainer.global_step
            result = dataclasses.replace(result, step=step, at_checkpoint=at)
            show(result, self._scores, self.dashboards)
        return objective

    def _reported_checkpoint(self) -> Path:
        """The file that the protocol reports, the last state saved first where nothing was.

        Raises:
            TrainingError: the best is wanted, and no epoch was ever scored on Val.
        """
        best = self.config.protocol.checkpoint == "best"
        last, chosen = self.run.last, self.run.best if best else self.run.last
        # fast_dev_run makes Lightning keep none; all processes save together
        if not self.config.trainer.keeps_checkpoints:
            for path in {last, chosen}:
                self.trainer.save_checkpoint(path)
        self.trainer.strategy.barrier()
        if not chosen.exists() and not self.complete:
            return last  # asked to end before any score on Val
        if not chosen.exists():
            raise TrainingError(
                chosen,
                "was never written, because training ended before any score on Val",
                "train longer or validate earlier (trainer.val_check_interval), or score last.ckpt "
                "with covseg.evaluate checkpoint=last",
            )
        return chosen

    def _stored(self) -> dict[str, Any] | None:
        """The checkpoint to resume from, if there is one."""
        try:
            return read_checkpoint(self.run.last) if self.run.last.exists() else None
        except RunError as error:
            where, cause, _ = error.args
            raise RunError(where, cause, "remove it, and the run begins again") from error

    def _check_processes(self, before: int) -> None:
        now, devices = self.trainer.world_size, self.config.trainer.devices
        if before != now:
            raise ConfigError(
                f"trainer.devices={devices}",
                f"means {now} process(es) here, and {self.run} was begun with {before}",
                "continue where there are as many",
            )
