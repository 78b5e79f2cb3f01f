"""Command line -> configuration, or one sentence; before Hydra makes any folder."""

import re
import shlex
from argparse import ArgumentError, Namespace
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from covseg.errors import ConfigError, nearest, nearest_key

_HELP = "see --help"
_PATHS = ("data.root", "data.cache_dir", "init", "run", "hydra.run.dir")  # may hold a comma
_SIGNS = "cannot be read, because Hydra gives brackets, quotes, commas and = a meaning"
_PACKAGE = Path(__file__).resolve().parents[1]
# inside an installed wheel, or beside src/ in a checkout
CONF = next(p for p in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if p.is_dir())


def parsed(words: Sequence[str]) -> Namespace:
    """The command line as Hydra's parser reads it.

    Raises:
        ConfigError: an option that there is not, or overrides on both sides of -m.
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        arguments, unknown = parser.parse_known_args(list(words))
    except ArgumentError as error:
        raise ConfigError(
            error.argument_name or "the command line", f"cannot be read ({error.message})", _HELP
        ) from error
    if options := [word for word in unknown if word.startswith("-")]:
        raise ConfigError(options[0], "is not an option of covseg", _HELP)
    if unknown:
        raise ConfigError(
            unknown[0],
            "stands apart from the other overrides",
            "write all of them behind the options, e.g. -m seed=1 model.depth=2,3",
        )
    for option in ("config_path", "config_name"):
        if getattr(arguments, option) is not None:
            raise ConfigError(
                f"--{option.replace('_', '-')}={getattr(arguments, option)}",
                "would replace covseg's own configuration",
                "say --config-dir=<folder> for presets of your own, then experiment=<preset>",
            )
    return arguments


def jobs(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The single runs of a sweep, as Hydra's basic sweeper makes them; one without a sweep.

    Raises:
        ConfigError: an override that cannot be read.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise _unreadable(overrides, error) from error
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_discrete_sweep()
        else [str(o.input_line)]
        for o in parsed
        if o.is_discrete_sweep() or not o.is_sweep_override()  # an interval has no list of values
    ]
    return (list(job) for job in product(*choices))


def composed(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of one run, resolved.

    Raises:
        ConfigError: an override that Hydra refuses, with the nearest one that it would take.
    """
    try:
        return plain(_composed(verb, overrides))
    except MissingConfigException as error:
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = [Path(name).stem for name in error.options or []]
        raise ConfigError(
            f"{group.lstrip('/')}={option}", "is not there to choose", nearest(option, options)
        ) from error
    except InterpolationKeyError as error:
        raise ConfigError(
            str(error.full_key), "refers to something that is not there", "write its value"
        ) from error
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _refusal(verb, overrides, error) from error


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


def _composed(verb: str, overrides: Sequence[str]) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3", job_name=verb):
        return compose(verb, overrides=list(overrides))


def _refusal(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    for override in overrides:
        group, _, option = override.partition("=")
        if option == "null" and group in _groups():
            options = [file.stem for file in (CONF / group).glob("*.yaml")]
            return ConfigError(override, "chooses nothing", nearest("", options))
    message = f"{error}\n{error.__cause__}"
    unknown = re.search(r"(?:Could not override|delete from config\.) '([^'@]+)", message)
    if unknown is None:
        return _unreadable(overrides, error)
    key = unknown[1]
    deeper = re.search(rf"full_key: ({re.escape(key)}\.\S+)", message)  # inside a {dict}
    same = (o for o in overrides if o.lstrip("+~").partition("=")[0] == key)
    given = next(same, next((o for o in overrides if o.lstrip("+~").startswith(key)), key))
    key = deeper[1] if deeper else key
    if options := _options_with(key):
        return ConfigError(
            given,
            f"belongs to {' or '.join(options)}",
            f"say {options[0]} as well, or leave it out",
        )
    groups = [o for o in overrides if o != given and o.partition("=")[0] in _groups()]
    try:
        known = [*_groups(), *_dotted(_composed(verb, groups), "")]
    except (HydraException, OmegaConfBaseException):
        known = _groups()
    return ConfigError(given, "is not a key of covseg", nearest_key(key, known))


def _unreadable(overrides: Sequence[str], error: Exception) -> ConfigError:
    """Name the override that Hydra cannot read, and write it as it can."""
    parser = OverridesParser.create()
    for override in overrides:
        key, _, value = override.partition("=")
        try:
            several = parser.parse_override(override).is_sweep_override()
        except HydraException:
            quoted = f"{key}={_quoted(value)}"
            remedy = f"write {shlex.quote(quoted)}" if _readable(parser, quoted) else _HELP
            return ConfigError(override, _SIGNS, remedy)
        if several:
            more = f", or write {shlex.quote(f'{key}={_quoted(value)}')}" if key in _PATHS else ""
            return ConfigError(override, "is several values", f"add -m to run all of them{more}")
    reason = str(error).strip().partition("\n")[0]
    return ConfigError("the command line", f"cannot be understood ({reason})", _HELP)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _readable(parser: OverridesParser, override: str) -> bool:
    try:
        parser.parse_override(override)
    except HydraException:
        return False
    return True


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
