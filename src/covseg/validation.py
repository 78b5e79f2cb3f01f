"""From a mapping to a checked configuration, or one sentence.

A configuration can come from a command line or from a folder that came by mail: whatever is built
from a ``_target_`` must stand in ``TARGETS``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from covseg.config import Node
from covseg.errors import ConfigError, nearest, nearest_key

TARGETS = frozenset(
    [f"torch.optim.{name}" for name in ("Adam", "AdamW", "SGD", "RMSprop")]
    + [f"covseg.learn.schedules.{name}" for name in ("cosine", "one_cycle", "plateau")]
    + [f"covseg.learn.losses.{name}" for name in ("BCE", "BCEDice", "Focal", "Tversky")]
    + ["covseg.learn.unet.UNet", "covseg.report.callbacks.Pictures"]
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
            raise ConfigError(f"{key}={target}", "is an interpolation", "write its value")
        if key.rpartition(".")[2] != "_target_":
            continue
        if not isinstance(target, str) or target not in TARGETS:
            names = {name.rpartition(".")[2]: name for name in TARGETS}
            close = nearest(str(target).rpartition(".")[2], names)
            raise ConfigError(
                f"{key}={target}",
                "is not among what covseg builds",
                close if close.startswith("did") else "remove it",
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
    first, *others = error.errors()
    place = _place(config, first)
    key, value = ".".join(map(str, place)), first["input"]
    if first["type"] == "missing":
        return ConfigError(key, "is not set", f"say {key}=<value>")
    if first["type"] == "extra_forbidden":
        known = {name for name in _keys(config) if name != key and not name.startswith(f"{key}.")}
        return ConfigError(f"{key}={value}", "is not a key of covseg", nearest_key(key, known))
    # one message for each branch of a union
    wanted = [first["msg"], *(e["msg"] for e in others if _place(config, e) == place)]
    remedy = " or ".join(dict.fromkeys(re.sub(r"^.*?(?=should)", "", msg) for msg in wanted))
    return ConfigError(f"{key}={value}", "is not possible", f"it {remedy}")


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
