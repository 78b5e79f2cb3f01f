"""``config.yaml``: read without trusting it, and written so that it reads back as it was.

OmegaConf reads as Hydra does: 1e-2 is a number, a duplicate key is an error. It copies what aliases
share, and a file of ten lines could expand to a billion values, so aliases are refused.
"""

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from covseg.errors import ConfigError
from covseg.run.override import REFUSALS

_BYTES = 100_000  # a run's configuration has three thousand


def read_yaml(path: Path) -> dict[Any, Any]:
    """The mapping in a file that may be damaged or hostile; interpolations are not resolved.

    Raises:
        ConfigError: what is wrong with it, and in which line.
        OSError: it cannot be opened.
    """
    if not path.is_file() and path.exists():  # reading a pipe would wait
        raise ConfigError(path, "is not a file", "put a YAML file there")
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        reason = f"is larger than {_BYTES // 1000} kB, where a configuration has a few"
        raise ConfigError(path, reason, "keep only what it sets")
    try:
        text = content.decode("utf-8-sig")
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _has_alias(path, event)
        values = OmegaConf.to_container(OmegaConf.create(text))
    except yaml.MarkedYAMLError as error:
        raise not_yaml(path, error) from error
    except REFUSALS as error:
        nested = isinstance(error, RecursionError)
        reason = "nested too deep" if nested else str(error).strip().partition("\n")[0]
        raise ConfigError(path, f"is not YAML ({reason})", "correct it there") from error
    if not isinstance(values, dict) or not values:
        raise ConfigError(path, "is not a mapping", "write keys with their values, 'key: value'")
    return dict(values)


def not_yaml(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    """The sentence for a file that YAML cannot read, with the line."""
    mark = error.problem_mark or error.context_mark
    where = f"{path}, line {mark.line + 1}," if mark else path
    return ConfigError(where, f"is not YAML ({error.problem or error.context})", "correct it there")


def _has_alias(path: Path, event: yaml.AliasEvent) -> ConfigError:
    where = f"{path}, line {event.start_mark.line + 1}," if event.start_mark else path
    return ConfigError(where, "has an alias", "write its value out")


def dump_yaml(values: dict[str, Any]) -> str:
    """Plain values as the text of a file that ``read_yaml`` reads back."""
    return OmegaConf.to_yaml(OmegaConf.create(values))
