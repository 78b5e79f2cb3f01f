"""The study of a search: where Optuna keeps its trials."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from covseg.config.search import Search
from covseg.errors import RunError

Direction = Literal["minimize", "maximize"]

_JOURNAL = "study.log"
_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def begin_study(
    folder: Path, search: Search, directions: Sequence[Direction], fixed: Sequence[str] = ()
) -> optuna.Study:
    """The study of a sweep folder, a new one if there is none.

    Args:
        folder: of the sweep.
        search: its options.
        directions: of the objectives.
        fixed: overrides that all trials have in common and that change their results.

    Raises:
        RunError: the study is of another search.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=search.study,
        storage=_storage(folder, search),
        directions=list(directions),
        load_if_exists=True,
    )
    question: dict[str, Any] = {"objectives": search.objectives, "fixed": sorted(fixed)}
    if search.storage is not None:
        question["folder"] = str(folder)
    for name, value in question.items():
        before = study.user_attrs.get(name, value)
        if before != value:
            raise RunError(
                f"the study {search.study} of {search.storage or folder}",
                f"has {name}={before}, where this search has {value}",
                "give the same overrides again, or begin another sweep (in a storage of several "
                "with another hydra.sweeper.study)",
            )
        study.set_user_attr(name, value)
    return study


def load_study(folder: Path, search: Search) -> optuna.Study:
    """The study that ``begin_study`` has begun, with its pruner."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = _PRUNERS[search.pruner]() if search.pruner else None
    return optuna.load_study(
        study_name=search.study, storage=_storage(folder, search), pruner=pruner
    )


def _storage(folder: Path, search: Search) -> BaseStorage | str:
    path = str(folder / _JOURNAL)
    # the default lock is a symbolic link, which Windows allows few users to make
    backend = JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))
    return search.storage or JournalStorage(backend)
