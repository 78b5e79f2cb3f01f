"""What Hydra refuses of a command line, in one sentence that names the override and the remedy."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf.errors import InterpolationKeyError

from covseg.config import conf
from covseg.config.quotes import in_quotes
from covseg.errors import ConfigError, nearest, nearest_key, reason_of
from covseg.run.folder.yaml_file import not_yaml
from covseg.run.override import readable

_HELP = "see --help"
_SIGNS = "cannot be read, because Hydra gives brackets, quotes, commas and = a meaning"
_GRAMMAR = "[](){}'\",=:\\"
_LAUNCHERS = {  # an option of Hydra's -> its package, and the extra of covseg that has it
    "joblib": ("hydra-joblib-launcher", "joblib"),
    "submitit_slurm": ("hydra-submitit-launcher", "slurm"),
    "ray": ("hydra-ray-launcher", "ray"),
}
# groups whose options list some of the arguments of what they build
_OPEN_GROUPS = {"loss", "optimizer", "scheduler", "augment", "callbacks", "logger"}


def refusal(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError:
    """The sentence for what Hydra raised over a command line."""
    if isinstance(error, MissingConfigException):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        if group == "hydra/launcher" and option in _LAUNCHERS:
            package, extra = _LAUNCHERS[option]
            given = _given(overrides, group)
            return ConfigError(given, f"needs {package}", f"pip install 'covseg[{extra}]'")
        names = [Path(name).stem for name in error.options or []]
        return ConfigError(
            f"{group.lstrip('/')}={option}", "does not exist", nearest(option, names)
        )
    if isinstance(error, InterpolationKeyError):
        key = error.full_key or "the command line"
        return ConfigError(key, "refers to a key that does not exist", "write its value")
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        return not_yaml(Path(mark.name), error)
    if isinstance(error, RecursionError):
        return ConfigError(
            "--config-dir", "has an option that includes itself", "remove it from its own file"
        )
    return (
        unreadable(overrides)
        or _several(overrides)
        or _chooses_nothing(overrides)
        or _unknown_key(verb, overrides, error)
        or _not_understood(overrides, error)
    )


def _not_understood(overrides: Sequence[str], error: Exception) -> ConfigError:
    """The sentence for any other refusal, with Hydra's own reason and the override it names."""
    message = f"{error}\n{error.__cause__}"
    if exists := re.search(r"An item is already at '([^'@]+)", message):
        given = _given(overrides, exists[1])
        return ConfigError(given, "adds a key that exists", f"write {given.lstrip('+')}")
    where = re.search(r"full_key: (\S+)", message)
    reason = reason_of(error.__cause__ or error)
    place = _given(overrides, where[1]) if where else "the command line"
    return ConfigError(place, f"cannot be understood ({reason})", _HELP)


def unreadable(overrides: Sequence[str]) -> ConfigError | None:
    """Name the override that Hydra cannot read, and write it so that it can."""
    for override in overrides:
        key, sign, value = override.partition("=")
        if readable(override):
            continue
        if not sign:
            return ConfigError(shlex.quote(override), "sets nothing", "write <key>=<value>")
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
    """Name the override that has several values, where one is wanted."""
    for override in overrides:
        if OverridesParser.create().parse_override(override).is_sweep_override():
            key, _, value = override.partition("=")
            quoted = shlex.quote(f"{key}={in_quotes(value)}")
            more = f", or write {quoted}" if Path(value).expanduser().exists() else ""
            return ConfigError(override, "has several values", f"add -m to run all of them{more}")
    return None


def _chooses_nothing(overrides: Sequence[str]) -> ConfigError | None:
    for override in overrides:
        group, _, option = override.partition("=")
        if option == "null" and group in conf.groups():
            return ConfigError(override, "chooses nothing", nearest("", conf.options(group)))
    return None


def _unknown_key(verb: str, overrides: Sequence[str], error: Exception) -> ConfigError | None:
    message = f"{error}\n{error.__cause__}"
    unknown = re.search(r"(?:Could not override|delete from config\.) '([^'@]+)", message)
    if unknown is None:
        return None
    given = _given(overrides, unknown[1])
    deeper = re.search(rf"full_key: ({re.escape(unknown[1])}\.\S+)", message)  # inside a {dict}
    key = deeper[1] if deeper else unknown[1]
    group = key.partition(".")[0]
    if verb == "train" or group == "data":
        has_it = [o for o, keys in conf.option_keys(group).items() if key in keys]
        if chosen := [f"{group}={option}" for option in has_it]:
            return ConfigError(
                given,
                f"belongs to {' or '.join(chosen)}",
                f"set {chosen[0]} as well, or leave it out",
            )
    close = nearest_key(key, conf.keys(verb))
    if group in _OPEN_GROUPS and "." in key and not close.startswith("did you mean"):
        return ConfigError(
            given,
            f"is not set by the chosen option of {group}, and may be an argument of what it builds",
            f"add it with a plus sign, as in {shlex.quote(f'+{given}')}",
        )
    return ConfigError(given, "is not a key of covseg", close)


def _given(overrides: Sequence[str], key: str) -> str:
    """The override that sets a key or something in it, else the key itself."""
    named = [(override, override.lstrip("+~").partition("=")[0]) for override in overrides]
    exact = (override for override, own in named if own == key)
    inside = (override for override, own in named if own.startswith(f"{key}."))
    around = (override for override, own in named if key.startswith(f"{own}."))
    return next(exact, next(inside, next(around, key)))
