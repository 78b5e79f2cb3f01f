"""What a run knows of copies in its data, and what it says of those that were fitted on."""

import logging
from pathlib import Path

from omegaconf import OmegaConf

from covseg.config.conf import CONF
from covseg.config.data import Data
from covseg.data import findings, fitted
from covseg.data.copies import Copies
from covseg.data.datamodule import XrayDataModule
from covseg.data.fitted import Fitted
from covseg.data.index import Key
from covseg.data.layout import TREES
from covseg.errors import ConfigError, DataError, setting
from covseg.run.override import written

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
    if data.index.tree == "lung" and (settings.fold is not None or settings.exclude is not None):
        key = "data.exclude" if settings.fold is None else "data.fold"
        raise DataError(
            setting(key, settings.exclude or settings.fold),
            f"needs to know which images are copies, and they are searched for in "
            f"'{TREES['infection']}' alone",
            "leave it out, or name that tree alone in data.root",
        )
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


def keep(data: XrayDataModule, run: Path, before: Fitted) -> None:
    """Write what is fitted, and what is known of copies, into the run folder."""
    before.with_rows(data.store, data.fitted).write(run / fitted.NAME)
    if data.copies is not None:
        findings.write(data.copies.found, run / "findings.csv")


def know_fitted(data: XrayDataModule, run: Path, init: str | None) -> Fitted:
    """Tell the data which of its images a training run fits, or its start was fitted on.

    Args:
        data: divided.
        run: the run folder; if it goes on, its own file counts.
        init: the run folder whose weights are the start.

    Returns:
        the images that the start was fitted on.

    Raises:
        DataError: a run does not say what it has fitted.
    """
    before, own = Fitted(), run / fitted.NAME
    if own.exists():
        before = Fitted.read(own)
    elif init is not None:
        before = Fitted.read(Path(init) / fitted.NAME)
    data.fitted = before.rows(data.store) | set(data.rows(*data.fit))
    return before


def recall_fitted(data: XrayDataModule, run: Path, *, same_data: bool) -> None:
    """Tell the data which of its images the weights of a run were fitted on.

    Args:
        data: divided.
        run: the run folder.
        same_data: whether the run was fitted on this very dataset.

    Raises:
        DataError: the file is damaged.
    """
    if (run / fitted.NAME).exists():
        data.fitted = Fitted.read(run / fitted.NAME).rows(data.store)
    else:
        log.warning(
            "%s is missing: what the run's start was fitted on is unknown", run / fitted.NAME
        )
        data.fitted = set(data.rows(*data.fit)) if same_data else set()
    if not same_data:
        data.fit = []  # a part of that name is another one here


def check_start(data: XrayDataModule, init: str | None) -> None:
    """Refuse weights to begin with that know what is to choose, or all that is reported.

    Raises:
        ConfigError: they were fitted on it.
    """
    if init is None:
        return
    if data.select is not None and (seen := seen_rows(data, data.select)):
        raise ConfigError(
            f"init={init}",
            f"was fitted on {len(seen)} of the images of {data.select}, by which this run would "
            "choose its checkpoint",
            "set protocol=paper, which chooses nothing, or name a run that was not fitted on them",
        )
    if len(seen_rows(data, data.report)) == len(data.rows(data.report)):
        raise ConfigError(
            f"init={init}",
            f"was fitted on every image of {data.report}, which this run would report",
            "name a run that was not fitted on them",
        )


def seen_rows(data: XrayDataModule, part: str) -> set[int]:
    """The rows of a part that the weights were fitted on, though the part is not for fitting."""
    return set() if part in data.fit else data.fitted & set(data.rows(part))


def warn(data: XrayDataModule, part: str) -> None:
    """Say in one line how much of a part was fitted on, itself or in another copy."""
    if part in data.fit:
        return
    without = "without_leaks in summary.json has the scores without them"
    seen = seen_rows(data, part)
    if seen:
        words = "%d image(s) of %s are among those that the weights were fitted on before; %s"
        log.warning(words, len(seen), part, without)
    if data.copies is None:
        if data.data.name != "phantom" and data.index.tree == "infection":
            words = "nothing says how many images of %s have a copy that is fitted on; %s finds out"
            log.warning(words, part, _explore(data.data))
        return
    rest = set(data.rows(part)) - seen
    if others := data.copies.akin(rest, data.fitted):
        n_pairs = data.copies.n_between(data.fitted, rest)
        words = "%d image(s) of %s have a copy that is fitted on, in %d pair(s); %s"
        log.warning(words, len(others), part, n_pairs, without)


def leaking(data: XrayDataModule, part: str) -> set[Key] | None:
    """The images of a part that were fitted on, themselves or in a copy; None: nobody knows."""
    if part in data.fit:
        return None
    if data.copies is None:
        return {data.index.rows[row].key for row in seen_rows(data, part)} or None
    return data.copies.akin(data.rows(part), data.fitted)  # an image is akin to itself


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
    words = ["python -m covseg.explore"]
    if data.phantom is not None and data.root is None:
        counts = ",".join(f"{split}:{n}" for split, n in data.phantom.n_images.items())
        words += ["data=phantom", f"data.phantom.seed={data.phantom.seed}"]
        words += [f"'data.phantom.n_images={{{counts}}}'"]
        words += ["data.phantom.lung_tree=true"] * data.phantom.lung_tree
    else:
        words += [written("data.root", data.root) if data.root else "data.download=true"]
    usual = str(OmegaConf.load(CONF / "explore.yaml").data.cache_dir)
    if Path(usual).expanduser().absolute() != Path(data.cache_dir):
        words.append(written("data.cache_dir", data.cache_dir))
    return " ".join(words)
