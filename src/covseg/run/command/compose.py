"""Overrides -> configuration, or one sentence; before Hydra makes any folder."""

from collections.abc import Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from covseg.config import CONF
from covseg.errors import ConfigError


def compose_config(verb: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration as Hydra composes it, with its interpolations.

    Raises:
        Exception: one of ``override.REFUSALS``.
    """
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=verb):
        return compose(verb, overrides=list(overrides))


def plain(config: DictConfig) -> dict[str, Any]:
    """Dicts, lists and values, every interpolation resolved.

    Raises:
        ConfigError: a key that must be given is not.
    """
    try:
        found = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = str(error.full_key)
        raise ConfigError(key, "is not given", f"say {key}=<value>") from error
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items() if key != "hydra"}
