"""Overrides -> configuration, or one sentence; before Hydra makes any folder."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from covseg.config.conf import CONF
from covseg.config.quotes import in_quotes
from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import refusal
from covseg.run.override import REFUSALS


def own_folder(config_dir: str | None) -> Path | None:
    """The folder of ``--config-dir``; a file beside it becomes a module that can be imported.

    Raises:
        ConfigError: no such folder.
    """
    if config_dir is None:
        return None
    folder = Path(config_dir).absolute()
    if not folder.is_dir():
        raise ConfigError(
            f"--config-dir={config_dir}",
            "is a file" if folder.exists() else "does not exist",
            "name a folder with options of your own, such as <folder>/experiment/mine.yaml",
        )
    if str(folder.parent) not in sys.path:
        sys.path.append(str(folder.parent))  # at the end: it hides no installed package
    return folder


@contextlib.contextmanager
def composer(verb: str, own: Path | None, overrides: Sequence[str]) -> Iterator[list[str]]:
    """Let Hydra compose inside the block, from ``conf/`` and a folder of the user's own.

    Yields:
        the overrides, with one that makes Hydra look into that folder.
    """
    more = [] if own is None else [f"hydra.searchpath=[{in_quotes(f'file://{own}')}]"]
    if own is not None and any(one.startswith("hydra.searchpath") for one in overrides):
        raise ConfigError("hydra.searchpath", "would replace --config-dir", "use one of the two")
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=verb):
        yield [*overrides, *more]


def compose_config(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of one run, with Hydra's own under ``hydra``; inside a ``composer``.

    Raises:
        ConfigError: an override that Hydra refuses.
    """
    try:
        return compose(verb, list(overrides), return_hydra_config=True)
    except REFUSALS as error:
        raise refusal(verb, overrides, error) from error


def plain(config: DictConfig) -> dict[str, Any]:
    """Dicts, lists and values, every interpolation resolved; without Hydra's own.

    Raises:
        ConfigError: a key that must be given is not, or an interpolation leads nowhere.
    """
    job = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        values = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(key, "is not given", f"set {key}=<value>") from error
    except REFUSALS as error:
        raise refusal("", [], error) from error
    assert isinstance(values, dict)
    if "experiment" in values:
        raise ConfigError(
            "the preset of experiment=<name>",
            "sets its keys below 'experiment', because it does not begin with "
            "'# @package _global_'",
            "make that the first line of the file",
        )
    return {str(key): value for key, value in values.items()}
