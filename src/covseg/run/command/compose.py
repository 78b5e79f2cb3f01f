"""Overrides -> configuration, or one sentence; before Hydra makes any folder."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from covseg.config.conf import CONF
from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import refusal
from covseg.run.override import REFUSALS, in_quotes


@contextlib.contextmanager
def composer(verb: str, config_dir: str | None) -> Iterator[list[str]]:
    """Let Hydra compose inside the block, from ``conf/`` and a folder of the user's own.

    Yields:
        overrides that make Hydra look into that folder.

    Raises:
        ConfigError: no such folder.
    """
    own = Path(config_dir).absolute() if config_dir is not None else None
    if own is not None and not own.is_dir():
        raise ConfigError(
            f"--config-dir={config_dir}",
            "is a file" if own.exists() else "does not exist",
            "name a folder with options of your own, such as <folder>/experiment/mine.yaml",
        )
    if own is not None:  # a file beside the folder is a module of the user's, in every process
        sys.path.insert(0, str(own.parent))
        paths = [str(own.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=verb):
        yield [] if own is None else [f"hydra.searchpath=[{in_quotes(f'file://{own}')}]"]


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
