"""The study of a search: where Optuna keeps its trials."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from covseg.config.search import Search

Direction = Literal["minimize", "maximize"]

_JOURNAL = "study.log"
_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def begin_study(folder: Path, search: Search, directions: Sequence[Direction]) -> optuna.Study:
    """The study of a sweep folder, a new one if there is none.

    Args:
        folder: of the sweep.
        search: its options.
        directions: of the objectives.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=search.study,
        storage=_storage(folder, search),
        directions=list(directions),
        load_if_exists=True,
    )


def study_of_job(folder: Path, search: Search) -> optuna.Study:
    """The same in a job, with the pruner."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert search.pruner is not None
    pruner, storage = _PRUNERS[search.pruner](), _storage(folder, search)
    return optuna.load_study(study_name=search.study, storage=storage, pruner=pruner)


def _storage(folder: Path, search: Search) -> BaseStorage | str:
    return search.storage or JournalStorage(JournalFileBackend(str(folder / _JOURNAL)))
