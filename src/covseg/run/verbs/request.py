"""What ``python -m covseg.evaluate`` is asked to score: a run, with what is to be different."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from covseg.config.data import Dataset
from covseg.config.evaluate import Evaluate
from covseg.config.protocol import CHOSEN
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.members import check_members
from covseg.validation import check


@dataclass(frozen=True)
class Request:
    """An evaluation.

    Attributes:
        run: the run folder, the first of several.
        config: the run's configuration with everything replaced that the command line names.
        split: that is scored, of data that has splits.
        checkpoint: that is scored.
        others: runs whose networks are averaged with this one's, each with its checkpoint.
        fitted_root: where the run's own data is; None for the place in its configuration.
        other_place: whether the command line sets the place of the data.
        split_is_asked: whether the command line names the split.
    """

    run: RunFolder
    config: Train
    split: str
    checkpoint: Path
    other_place: bool
    split_is_asked: bool = False
    others: Sequence[tuple[RunFolder, Path]] = ()
    fitted_root: str | None = None


def read_request(asked: Evaluate) -> Request:
    """Read the run folder that an evaluation names.

    Raises:
        RunError: the run folder, or the checkpoint in it that is asked for, cannot be used.
        ConfigError: a key has an impossible value, in the run or on the command line.
    """
    places = asked.run if isinstance(asked.run, list) else [asked.run]
    run, *others = (RunFolder(place, asked.trust) for place in places)
    check_members([run, *others])
    config = check(Train, _values(asked, run), run.config.trust)
    if asked.split is not None and config.protocol.folds:
        raise ConfigError(
            f"split={asked.split}",
            f"was partly fitted on by {run}, which has protocol=kfold",
            "leave it out",
        )
    checkpoint = run.checkpoint(config.protocol.checkpoint)
    split = asked.split or config.protocol.report
    of_others = [
        (other, other.checkpoint(asked.checkpoint or other.config.protocol.checkpoint))
        for other in others
    ]
    return Request(
        run=run,
        config=config,
        split=split,
        checkpoint=checkpoint,
        other_place=asked.data.root is not None,
        split_is_asked=asked.split is not None,
        others=of_others,
        fitted_root=asked.fitted_root,
    )


def _values(asked: Evaluate, run: RunFolder) -> dict[str, Any]:
    """The run's configuration with everything replaced that the command line names.

    Raises:
        ConfigError: something is to be chosen, and the run has no split to choose on.
    """
    values = run.config.model_dump(by_alias=True)
    data = asked.data.model_dump(exclude_none=True)
    if "name" in data:  # another dataset: nothing of the old one's place stays
        kept = {"cache_dir", "name"}
        for key in Dataset.model_fields.keys() - kept:
            values["data"].pop(key, None)
        values["data"] |= {"split": None}
    values["data"] |= data
    asked_trainer = {key: value for key, value in asked.trainer.items() if value is not None}
    if asked_trainer.get("precision") == "auto":  # which is about training
        del asked_trainer["precision"]
    values["trainer"] |= asked_trainer
    for key in CHOSEN:
        if getattr(asked, key) == "auto" and values["protocol"]["select"] is None:
            raise ConfigError(
                f"{key}=auto", f"needs a split to choose on, and {run} has none", "set a number"
            )
    for key in ("checkpoint", *CHOSEN, "flips"):
        if getattr(asked, key) is not None:
            values["protocol"][key] = getattr(asked, key)
        elif values["protocol"][key] == "auto":
            values["protocol"][key] = getattr(run.protocol, key)
    return values
