"""What a run knows of copies in its data, and what it says of those that were fitted on."""

import contextlib
import logging
from pathlib import Path

from omegaconf import OmegaConf

from covseg.config.data import Data
from covseg.data import findings
from covseg.data.copies import Copies
from covseg.data.datamodule import XrayDataModule
from covseg.data.index import Key
from covseg.data.layout import TREES
from covseg.errors import DataError, setting
from covseg.run.compose import CONF, written
from covseg.run.folder import read_json

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


def keep(data: XrayDataModule, run: Path) -> None:
    """Write what is known of copies into the run folder: it stays true of this run."""
    if data.copies is not None:
        findings.write(data.copies.found, run / "findings.csv")


def warn(data: XrayDataModule, part: str) -> None:
    """Say in one line how much of a part was seen in another copy while fitting."""
    if part in data.fit:
        return
    if data.copies is None:
        if data.data.name != "phantom" and data.index.tree == "infection":
            words = "nothing says how many images of %s have a copy that is fitted on; %s finds out"
            log.warning(words, part, _explore(data.data))
    elif leaks := leaking(data, part):
        n_pairs = data.copies.n_between(data.rows(*data.fit), data.rows(part))
        log.warning(
            "%d image(s) of %s have a copy that is fitted on, in %d pair(s); without_leaks in "
            "summary.json has the scores without them",
            *(len(leaks), part, n_pairs),
        )


def warn_of_start(data: XrayDataModule, init: str | None) -> None:
    """Say that weights to begin with may know what is left out, or reported, here."""
    if init is None or (data.data.fold is None and data.data.exclude is None):
        return
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        fitted = read_json(Path(init) / "provenance.json")["data"]["fingerprint"]
        if fitted == data.store.fingerprint:
            log.warning("init=%s was fitted on this data as well, whatever is left out here", init)


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
