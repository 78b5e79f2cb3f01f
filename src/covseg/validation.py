"""From a mapping to a checked configuration, or one sentence.

A configuration can come from a command line or from a folder that came by mail: whatever is built
from a ``_target_`` must stand in ``TARGETS``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from covseg.config.node import Node
from covseg.errors import ConfigError, nearest, nearest_key, setting

TARGETS = frozenset(
    [f"torch.optim.{name}" for name in ("Adam", "AdamW", "SGD", "RMSprop")]
    + [f"covseg.learn.schedules.{name}" for name in ("cosine", "one_cycle", "plateau")]
    + [f"covseg.learn.losses.{name}" for name in ("BCE", "BCEDice", "Focal", "Tversky")]
    + ["covseg.learn.networks.unet.UNet", "covseg.report.callbacks.Pictures"]
    + [
        f"lightning.pytorch.callbacks.{name}"
        for name in ("EarlyStopping", "LearningRateMonitor", "StochasticWeightAveraging")
    ]
    + [f"lightning.pytorch.loggers.{name}" for name in ("TensorBoardLogger", "WandbLogger")]
    + [
        f"albumentations.{name}"
        for name in (
            *("HorizontalFlip", "Affine", "ElasticTransform", "GridDistortion", "RandomGamma"),
            *("RandomBrightnessContrast", "GaussNoise", "GaussianBlur", "CLAHE", "CoarseDropout"),
        )
    ]
)

Schema = TypeVar("Schema", bound=Node)


def check(schema: type[Schema], config: Mapping[str, Any]) -> Schema:
    """Turn a composed configuration into its model.

    Raises:
        ConfigError: names the key, its value, and what is possible instead.
    """
    check_targets(config)
    try:
        return schema.model_validate(dict(config))
    except ValidationError as error:
        raise _sentence(error, config) from error


def check_targets(config: Any) -> None:
    """Refuse every ``_target_`` in ``config`` that covseg does not build, used or not.

    An interpolation is refused as well: Hydra would resolve it while it builds, and what comes out
    could be another ``_target_``. Those of covseg's own ``conf/`` are resolved by then.

    Raises:
        ConfigError: names the key and the target.
    """
    for key, target in _leaves(config, ""):
        if isinstance(target, str) and "${" in target:
            raise ConfigError(setting(key, target), "is an interpolation", "write its value")
        if hydras := [part for part in key.split(".") if part[:1] == "_" and part != "_target_"]:
            raise ConfigError(
                setting(key, target), f"has a key of Hydra's own ({hydras[0]})", "remove it"
            )
        if key.rpartition(".")[2] != "_target_":
            continue
        if not isinstance(target, str) or target not in TARGETS:
            names = {name.rpartition(".")[2]: name for name in TARGETS}
            close = nearest(str(target).rpartition(".")[2], names)
            raise ConfigError(
                setting(key, target),
                "is not among what covseg builds",
                close if isinstance(target, str) and close.startswith("did") else "remove it",
            )


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its dotted key; what stands under ``_target_`` is one, whatever it is."""
    items = node.items() if isinstance(node, Mapping) else enumerate(node)
    for key, value in items:
        below = f"{path}.{key}" if path else str(key)
        if key != "_target_" and isinstance(value, Mapping | list | tuple):
            yield from _leaves(value, below)
        else:
            yield below, value


def _keys(config: Mapping[str, Any]) -> set[str]:
    """Every dotted key, groups included."""
    leaves = (key.split(".") for key, _ in _leaves(config, ""))
    return {".".join(parts[:n]) for parts in leaves for n in range(1, len(parts) + 1)}


def _sentence(error: ValidationError, config: Mapping[str, Any]) -> ConfigError:
    errors = error.errors()
    first = errors[0]
    top = _place(config, first)
    # a union has one error a branch: the deepest knows best what was meant
    same = [e for e in errors if _place(config, e)[: len(top)] == top]
    first = max(same, key=lambda e: len(_place(config, e)))
    place = _place(config, first)
    key, value = ".".join(map(str, place)), first["input"]
    if first["loc"][-1] == "[key]":  # a key is what is wrong, and stands there as the value
        value = _at(config, place)
    if first["type"] == "missing":
        return ConfigError(key, "is not set", f"say {key}=<value>")
    if first["type"] == "extra_forbidden":
        known = {name for name in _keys(config) if name != key and not name.startswith(f"{key}.")}
        return ConfigError(setting(key, value), "is not a key of covseg", nearest_key(key, known))
    wanted = dict.fromkeys(wish(e) for e in same if _place(config, e) == place)
    possible = ", or ".join(filter(None, wanted)) or "leave it out"
    return ConfigError(setting(key, value), "is not possible", possible)


_WISHES = {
    "int_type": "give a whole number",
    "int_from_float": "give a whole number",
    "float_type": "give a number",
    "finite_number": "give a finite number",
    "bool_type": "say true or false",
    "string_type": "give a word",
    "string_too_short": "give a path",
    "list_type": "give a list, such as [a,b]",
    "dict_type": "give keys with values, such as {{a:1}}",
    "model_type": "give keys with values, such as {{a:1}}",
    "greater_than": "give more than {gt:.12g}",
    "greater_than_equal": "give {ge:.12g} or more",
    "less_than": "give less than {lt:.12g}",
    "less_than_equal": "give {le:.12g} or less",
    "too_short": "name at least {min_length}",
    "none_required": "",  # null is what one leaves out
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
        if inside or (error["type"] == "missing" and isinstance(config, Mapping)):
            place.append(part)
            config = config[part] if inside else None
    return place


def _at(config: Any, place: list[int | str]) -> Any:
    for part in place:
        config = config[part]
    return config
