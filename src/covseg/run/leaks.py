"""What a run knows of copies in its data, and what it says of those that were fitted on."""

import logging
from pathlib import Path

from covseg.config import Data
from covseg.data import findings
from covseg.data.copies import Copies
from covseg.data.datamodule import XrayDataModule
from covseg.data.index import Key
from covseg.errors import DataError

log = logging.getLogger(__name__)


def divide(data: XrayDataModule, run: Path) -> None:
    """Tell the data what is known of copies: by the run, by ``data.exclude``, by ``explore``.

    Args:
        data: set up.
        run: the run folder, whose own ``findings.csv`` comes first.

    Raises:
        DataError: findings that cannot be read or are of other data; or folds are asked for, which
            keep copies together, and nothing is known.
    """
    settings, own = data.data, run / "findings.csv"
    cached = findings.cached(settings.cache_dir, data.store.fingerprint)
    if own.exists():
        data.divide(Copies.read(own, data.index))
    elif settings.exclude is not None:
        data.divide(Copies.read(Path(settings.exclude), data.index))
    elif cached.exists():
        data.divide(_cached(cached, data))
    elif settings.fold is not None:
        raise DataError(
            f"data.fold={settings.fold}",
            "keeps copies in one fold, and nothing says which images are copies",
            f"say {_explore(settings)} first",
        )


def keep(data: XrayDataModule, run: Path) -> None:
    """Write what is known of copies into the run folder: it stays true of this run."""
    if data.copies is not None:
        findings.write(data.copies.found, run / "findings.csv")


def warn(data: XrayDataModule, part: str) -> None:
    """Say in one line how much of a part was seen in another copy while fitting."""
    if data.copies is None:
        if data.data.name != "phantom" and data.index.tree == "infection":
            words = "nothing says how many images of %s have a copy that is fitted on; %s finds out"
            log.warning(words, part, _explore(data.data))
        return
    fitted, reported = data.rows(*data.fit), data.rows(part)
    if n_pairs := data.copies.n_between(fitted, reported):
        log.warning(
            "%d pairs of copies join %s with what is fitted on; without_leaks in summary.json "
            "leaves those %d images out",
            *(n_pairs, part, len(leaking(data, part) or ())),
        )


def leaking(data: XrayDataModule, part: str) -> set[Key] | None:
    """The images of a part with a copy that is fitted on; None where nobody knows."""
    if data.copies is None or part in data.fit:
        return None
    return data.copies.akin(data.rows(part), data.rows(*data.fit))


def families(data: XrayDataModule) -> dict[Key, int] | None:
    """One number for images that are copies of each other; None where nobody knows."""
    if data.copies is None:
        return None
    labels = data.copies.labels()
    return {row.key: label for row, label in zip(data.index.rows, labels, strict=True)}


def _cached(path: Path, data: XrayDataModule) -> Copies:
    try:
        return Copies.read(path, data.index)
    except DataError as error:
        where, cause, _ = error.args
        remedy = f"delete {path}, and say {_explore(data.data)}"
        raise DataError(where, cause, remedy) from error


def _explore(data: Data) -> str:
    """The command that looks for copies in this data."""
    words = "data=phantom" if data.name == "phantom" else f"data.root={data.root}"
    return f"python -m covseg.explore {words}"
