"""From a mapping to a checked configuration, or one sentence.

A configuration can come from a command line or from a folder that came by mail: every ``_target_``
in it must be one of covseg's own ``conf/``, be in ``LIBRARY``, or be of a package that the user of
this command trusts.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from covseg.config import conf
from covseg.config.conf import dotted_keys, leaves
from covseg.config.node import Node
from covseg.errors import ConfigError, nearest, nearest_key, setting

# parts of libraries that may be built, beside those that an option of conf/ names
LIBRARY = frozenset(
    [
        f"lightning.pytorch.callbacks.{name}"
        for name in ("EarlyStopping", "LearningRateMonitor", "StochasticWeightAveraging")
    ]
    + [
        f"albumentations.{name}"
        for name in (
            *("HorizontalFlip", "Affine", "ElasticTransform", "GridDistortion", "RandomGamma"),
            *("RandomBrightnessContrast", "GaussNoise", "GaussianBlur", "CLAHE", "CoarseDropout"),
        )
    ]
    + [
        f"segmentation_models_pytorch.{name}"
        for name in (
            *("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3"),
            *("DeepLabV3Plus", "PAN", "UPerNet", "Segformer"),
        )
    ]
    + [
        f"monai.networks.nets.{name}"
        for name in ("SegResNet", "UNet", "BasicUNet", "AttentionUnet", "DynUNet")
    ]
)

Schema = TypeVar("Schema", bound=Node)


def check(schema: type[Schema], config: Mapping[str, Any], trust: Sequence[str] = ()) -> Schema:
    """Turn a composed configuration into its model.

    Args:
        schema: of the verb.
        config: plain values.
        trust: packages that a ``_target_`` may name beside covseg's own list.

    Raises:
        ConfigError: names the key, its value, and what is possible instead.
    """
    check_targets(config, trust)
    try:
        return schema.model_validate(dict(config))
    except ValidationError as error:
        raise _sentence(error, config) from error


def trusted_packages(trust: Sequence[str]) -> list[str]:
    """These packages, and those of the environment variable ``COVSEG_TRUST``."""
    return sorted({*trust, *os.environ.get("COVSEG_TRUST", "").replace(",", " ").split()})


def targets() -> frozenset[str]:
    """Everything that a ``_target_`` may name."""
    return conf.targets() | LIBRARY


def check_targets(config: Any, trust: Sequence[str] = ()) -> None:
    """Refuse every ``_target_`` in ``config`` that covseg does not build, used or not.

    An interpolation is refused as well: Hydra would resolve it while it builds, and the result
    could be another ``_target_``. Those of covseg's own ``conf/`` are resolved before.

    Raises:
        ConfigError: names the key and the target.
    """
    for parts, value in leaves(config, lists=True):
        key = ".".join(parts)
        if dotted := [part for part in parts if "." in part]:
            raise ConfigError(setting(key, value), f"has a key with a dot ({dotted[0]})", "nest it")
        if isinstance(value, str) and "${" in value:
            raise ConfigError(setting(key, value), "is an interpolation", "write its value")
        if hydras := [part for part in parts if part[:1] == "_" and part != "_target_"]:
            raise ConfigError(
                setting(key, value), f"has a key of Hydra's own ({hydras[0]})", "remove it"
            )
        if "_target_" not in parts:
            continue
        allowed, own = targets(), tuple(f"{package}." for package in trust)
        known = isinstance(value, str) and (value in allowed or value.startswith(own))
        if parts[-1] != "_target_" or not known:
            raise ConfigError(
                setting(key, value), "is not among what covseg builds", _other_target(value)
            )


def _other_target(value: Any) -> str:
    names = {name.rpartition(".")[2]: name for name in targets()}
    last = str(value).rpartition(".")[2]
    if isinstance(value, str) and (close := difflib.get_close_matches(last, names, n=1)):
        return f"did you mean {names[close[0]]}"
    return "remove it, or set trust=[<package>] if you trust its code"


def _sentence(error: ValidationError, config: Mapping[str, Any]) -> ConfigError:
    errors = error.errors()
    first = errors[0]
    top = _place(config, first)
    # a union has one error per branch: the deepest knows best what was meant
    same = [e for e in errors if _place(config, e)[: len(top)] == top]
    first = max(same, key=lambda e: len(_place(config, e)))
    place = _place(config, first)
    key, value = ".".join(map(str, place)), first["input"]
    if first["loc"][-1] == "[key]":  # a key is wrong, and pydantic gives it as the value
        value = _at(config, place)
    if first["type"] == "missing":
        return ConfigError(key, "is not set", f"set {key}=<value>")
    if first["type"] == "extra_forbidden":
        known = {k for k in dotted_keys(config) if k != key and not k.startswith(f"{key}.")}
        return ConfigError(setting(key, value), "is not a key of covseg", nearest_key(key, known))
    if key in conf.groups() and isinstance(value, str):  # in a preset
        return ConfigError(
            setting(key, value),
            "is not possible as a value",
            f"choose an option in the preset's defaults: '- override /{key}: <option>'",
        )
    wanted = dict.fromkeys(wish(e) for e in same if _place(config, e) == place)
    possible = ", or ".join(filter(None, wanted)) or "leave it out"
    return ConfigError(setting(key, value), "is not possible", possible)


_WISHES = {
    "int_type": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "set true or false",
    "string_type": "give a string",
    "string_too_short": "give a path",
    "list_type": "give a list, such as [a,b]",
    "dict_type": "give keys with values, such as {{a:1}}",
    "model_type": "give keys with values, such as {{a:1}}",
    "greater_than": "give more than {gt:.12g}",
    "greater_than_equal": "give {ge:.12g} or more",
    "less_than": "give less than {lt:.12g}",
    "less_than_equal": "give {le:.12g} or less",
    "too_short": "name at least {min_length}",
    "value_error": "{error}",
    "none_required": "",  # leaving the key out gives null
}


def wish(error: ErrorDetails) -> str:
    """What would be possible instead, as a remedy."""
    if error["type"] == "literal_error":
        choices = re.findall(r"'[^']*'|[^\s',]+", error["ctx"]["expected"])
        return nearest(
            str(error["input"]), {c.strip("'").replace("False", "false") for c in choices} - {"or"}
        )
    known = _WISHES.get(error["type"])
    return error["msg"] if known is None else known.format(**error.get("ctx", {}))


def _place(config: Any, error: ErrorDetails) -> list[int | str]:
    """The location of an error as keys of ``config``, without the names of a union's branches."""
    place: list[int | str] = []
    for part in error["loc"]:
        if isinstance(config, Mapping):
            inside = part in config
        else:  # a part that is no number is the name of a union's branch
            inside = isinstance(config, list) and isinstance(part, int)
        if inside:
            place.append(part)
            config = config[part]
    return [*place, error["loc"][-1]] if error["type"] == "missing" else place


def _at(config: Any, place: list[int | str]) -> Any:
    for part in place:
        config = config[part]
    return config
