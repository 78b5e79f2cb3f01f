"""A trial of a search ends early if others were better at the same epoch."""

import lightning as L
from optuna.study import Study
from optuna.trial import Trial

from covseg.config.search import Search
from covseg.errors import Pruned
from covseg.run.folder.study import load_study
from covseg.run.folder.sweep_folder import SweepJob


class PruneTrial(L.Callback):
    """Reports Val to the study after each validation, and ends the trial if the study says so.

    Args:
        job: with the options of its search.
        monitor: name of the logged score, the only objective of the search.
    """

    def __init__(self, job: SweepJob, monitor: str) -> None:
        self._job, self._monitor = job, monitor
        self._study: Study | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Decide in the first process, for all of them.

        Raises:
            Pruned: the trial is not worth the rest of its time.
        """
        if trainer.sanity_checking:
            return
        epoch = trainer.current_epoch + 1
        prune = trainer.is_global_zero and self._should_prune(trainer, epoch)
        if trainer.strategy.reduce_boolean_decision(bool(prune), all=False):
            score = float(trainer.callback_metrics[self._monitor])
            raise Pruned(
                f"trial {self._job.number}",
                f"was pruned after epoch {epoch} ({self._monitor} {score:.4f})",
                "set hydra.sweeper.pruner=null to train every trial to its end",
            )

    def _should_prune(self, trainer: L.Trainer, epoch: int) -> bool:
        assert self._job.search is not None
        if self._study is None:
            search = Search.model_validate(self._job.search)
            self._study = load_study(self._job.folder.parent, search)
        own = (one for one in self._study.get_trials() if one.number == self._job.number)
        stored = next(own, None)
        if stored is None or stored.state.is_finished():
            return False  # the run is resumed by itself, after its search
        trial = Trial(self._study, stored._trial_id)
        trial.report(float(trainer.callback_metrics[self._monitor]), epoch)
        return trial.should_prune()
