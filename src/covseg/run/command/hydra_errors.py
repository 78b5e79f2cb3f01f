"""What Hydra refuses of a command line, in one sentence that names the override and the remedy."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from covseg.config import CONF
from covseg.errors import ConfigError, nearest, nearest_key
from covseg.run.command.compose import compose_config, plain
from covseg.run.override import REFUSALS, in_quotes, readable

_HELP = "see --help"
_PATHS = (  # may hold a comma
    *("data.root", "data.cache_dir", "data.exclude"),
    *("init", "run", "hydra.run.dir"),
)
_SIGNS = "cannot be read, because Hydra gives brackets, quotes, commas and = a meaning"
_GRAMMAR = "[](){}'\",=:\\"


def composed(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of one run, resolved.

    Raises:
        ConfigError: an override that Hydra refuses, with the nearest one that it would take.
    """
    try:
        return plain(compose_config(verb, overrides))
    except REFUSALS as error:
        raise refusal(verb, overrides, error) from error


def refusal(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    """The sentence for what Hydra raised over a command line."""
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [Path(name).stem for name in error.options or []]
        return ConfigError(
            f"{group.lstrip('/')}={option}", "is not there to choose", nearest(option, options)
        )
    if isinstance(error, InterpolationKeyError):
        key = error.full_key or "the command line"
        return ConfigError(key, "refers to something that is not there", "write its value")
    return _refusal(verb, overrides, error)


def _refusal(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    for override in overrides:
        group, _, option = override.partition("=")
        if option == "null" and group in _groups():
            options = [file.stem for file in (CONF / group).glob("*.yaml")]
            return ConfigError(override, "chooses nothing", nearest("", options))
    message = f"{error}\n{error.__cause__}"
    unknown = re.search(r"(?:Could not override|delete from config\.) '([^'@]+)", message)
    if unknown is None:
        return _refused_as_a_whole(verb, overrides, error)
    key = unknown[1]
    deeper = re.search(rf"full_key: ({re.escape(key)}\.\S+)", message)  # inside a {dict}
    same = (o for o in overrides if o.lstrip("+~").partition("=")[0] == key)
    given = next(same, next((o for o in overrides if o.lstrip("+~").startswith(key)), key))
    key = deeper[1] if deeper else key
    if (verb == "train" or key.startswith("data.")) and (options := _options_with(key)):
        return ConfigError(
            given,
            f"belongs to {' or '.join(options)}",
            f"say {options[0]} as well, or leave it out",
        )
    groups = [o for o in overrides if o != given and o.partition("=")[0] in _groups()]
    try:
        config = compose_config(verb, groups)
    except REFUSALS:
        return ConfigError(given, "is not a key of covseg", nearest_key(key, _groups()))
    close = nearest_key(key, [*_groups(), *_dotted(config, "")])
    above = OmegaConf.select(config, key.rpartition(".")[0])
    takes_more = isinstance(above, DictConfig) and "_target_" in above and key[:6] != "model."
    if takes_more and not close.startswith("did you mean"):
        return ConfigError(
            given,
            f"is not in the preset of {above._target_}, and may be an argument of it",
            f"add it with a plus sign, as in {shlex.quote(f'+{given}')}",
        )
    return ConfigError(given, "is not a key of covseg", close)


def _refused_as_a_whole(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    """Name the override without which Hydra would compose, or the key that it names."""
    if named := unreadable(overrides) or _several(overrides):
        return named
    for number, override in enumerate(overrides):
        others = [*overrides[:number], *overrides[number + 1 :]]
        if not _composes(verb, others) or _composes(verb, overrides):
            continue
        if override.startswith("+") and not override.startswith("++"):
            written = override.removeprefix("+")
            return ConfigError(override, "adds what is there", f"write {written}")
        return ConfigError(override, f"is not possible ({_reason(error)})", _HELP)
    return misunderstood(error)


def misunderstood(error: Exception) -> ConfigError:
    """What is said where no override alone is to blame."""
    where = re.search(r"full_key: (\S+)", str(error))
    return ConfigError(
        where[1] if where else "the command line", f"cannot be understood ({_reason(error)})", _HELP
    )


def _composes(verb: str, overrides: Sequence[str]) -> bool:
    try:
        plain(compose_config(verb, overrides))
    except (*REFUSALS, ConfigError):
        return False
    return True


def _reason(error: BaseException) -> str:
    error = error.__cause__ or error
    return str(error).strip().partition("\n")[0] or type(error).__name__


def unreadable(overrides: Sequence[str]) -> ConfigError | None:
    """Name the override that Hydra cannot read, and write it as it can."""
    for override in overrides:
        key, sign, value = override.partition("=")
        if readable(override):
            continue
        if not sign:
            return ConfigError(override, "sets nothing", "write <key>=<value>")
        quoted = f"{key}={in_quotes(value)}"
        remedy = f"write {shlex.quote(quoted)}" if readable(quoted) else _HELP
        strange = next((sign for sign in value if not readable(f"a=a{sign}a")), "")
        if strange and strange not in _GRAMMAR:
            return ConfigError(
                override, f"cannot be read, because Hydra wants '{strange}' in quotes", remedy
            )
        return ConfigError(override, _SIGNS, remedy)
    return None


def _several(overrides: Sequence[str]) -> ConfigError | None:
    """Name the override that is several values, where one is wanted."""
    for override in overrides:
        if OverridesParser.create().parse_override(override).is_sweep_override():
            key, _, value = override.partition("=")
            more = f", or write {shlex.quote(f'{key}={in_quotes(value)}')}" if key in _PATHS else ""
            return ConfigError(override, "is several values", f"add -m to run all of them{more}")
    return None


def _options_with(key: str) -> list[str]:
    """The options of a group that have this key; the chosen one has not."""
    group, _, rest = key.partition(".")
    options = [(file.stem, OmegaConf.load(file)) for file in sorted((CONF / group).glob("*.yaml"))]
    return [f"{group}={name}" for name, node in options if rest and rest in set(_dotted(node, ""))]


def _groups() -> list[str]:
    return [folder.name for folder in CONF.iterdir() if folder.is_dir()]


def _dotted(node: Any, path: str) -> Iterator[str]:
    for key in map(str, node):
        yield f"{path}{key}"
        if isinstance(child := node._get_node(key), DictConfig):
            yield from _dotted(child, f"{path}{key}.")
