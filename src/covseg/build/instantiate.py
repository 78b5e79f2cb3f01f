"""An object from its ``_target_`` and arguments, or one sentence."""

import inspect
from collections.abc import Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from pydantic import ConfigDict, TypeAdapter, ValidationError

from covseg.config.node import Node
from covseg.errors import ConfigError, nearest, reason_of, setting
from covseg.validation import wish

_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)  # such as torch.device
# loggers that pass arguments they do not know on, and to what
_PASSES_ON = {
    "lightning.pytorch.loggers.WandbLogger": "wandb.init",
    "lightning.pytorch.loggers.TensorBoardLogger": "torch.utils.tensorboard.SummaryWriter",
}


def arguments_of(node: Node) -> dict[str, Any]:
    """A part of the configuration as the arguments of ``make``."""
    return node.model_dump(by_alias=True)


def parameters_of(target: str) -> dict[str, inspect.Parameter]:
    """The parameters of a constructor, by name."""
    signature = inspect.signature(get_object(target), eval_str=_is_declared(target))
    return dict(signature.parameters)


def make(key: str, arguments: dict[str, Any], *positional: Any, **more: Any) -> Any:
    """Build what ``_target_`` names; the configuration has been checked before.

    Args:
        key: of the configuration, for the sentence.
        arguments: ``_target_`` and keyword arguments.
        positional: further arguments of the constructor.
        more: further keyword arguments.

    Raises:
        ConfigError: with the key and the constructor's own reason.
    """
    _check_arguments(key, arguments)
    try:
        return instantiate(arguments, *positional, **more, _convert_="all")
    except InstantiationException as error:
        # albumentations checks its arguments as covseg does
        if invalid := _validation_error(error):
            first = invalid.errors()[0]
            where = ".".join(map(str, (key, *first["loc"][:1])))
            raise ConfigError(
                setting(where, first["input"]), "is not possible", wish(first)
            ) from error
        raise ConfigError(
            key, f"cannot be built ({_reason(error)})", "change its arguments"
        ) from error


def _validation_error(error: BaseException | None) -> ValidationError | None:
    while error is not None and not isinstance(error, ValidationError):
        error = error.__cause__
    return error


def _check_arguments(key: str, arguments: Mapping[str, Any]) -> None:
    """Hold the arguments against the constructor's signature, and types where they are declared."""
    target = arguments["_target_"]
    try:
        known = parameters_of(target)
        origin = str(getattr(get_object(target), "__module__", None)).partition(".")[0]
    except Exception as error:  # of any kind: importing a module runs it
        raise ConfigError(
            setting(f"{key}._target_", target),
            f"cannot be imported ({_reason(error)})",
            "install its package, or set --config-dir to a folder beside it",
        ) from error
    if origin != target.partition(".")[0]:  # trust in a package is not in all that it imports
        raise ConfigError(
            setting(f"{key}._target_", target),
            f"is of the package {origin}",
            "name it there, and trust that package",
        )
    if target in _PASSES_ON:
        try:
            known |= inspect.signature(get_object(_PASSES_ON[target])).parameters
        except ImportError:  # the constructor names the missing package
            return
    elif any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for name, value in arguments.items():
        if name == "_target_":
            continue
        if name not in known:
            raise ConfigError(
                setting(f"{key}.{name}", value), f"is no argument of {target}", nearest(name, known)
            )
        if known[name].annotation is not inspect.Parameter.empty and _is_declared(target):
            _check_type(f"{key}.{name}", value, known[name].annotation)


def _is_declared(target: str) -> bool:
    """Whether a package's annotations are bounds that a configuration is held to."""
    return target.startswith(("covseg.", "lightning.pytorch.callbacks."))


def _check_type(key: str, value: Any, annotation: Any) -> None:
    try:
        TypeAdapter(annotation, config=_ANY_TYPE).validate_python(value, strict=True)
    except ValidationError as error:
        raise ConfigError(
            setting(key, value), "is not possible", wish(error.errors()[0])
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of the error that caused all others."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def unusable(key: str, error: Exception) -> ConfigError:
    """The sentence for a part that fails when it is tried out, with the library's own reason."""
    return ConfigError(key, f"cannot work ({reason_of(error)})", "change its arguments")
