"""An object from its ``_target_`` and arguments, or one sentence."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from pydantic import ConfigDict, TypeAdapter, ValidationError

from covseg.config.node import Node
from covseg.errors import ConfigError, nearest, reason_of, setting
from covseg.validation import wish

logging.getLogger("hydra.utils").disabled = True  # it prints what it raises as well

Cause = TypeVar("Cause", bound=BaseException)
_ANY_TYPE = ConfigDict(arbitrary_types_allowed=True)  # such as torch.device
# covseg's loggers: what they pass arguments on to that they do not know, and which of these they
# set themselves; the module of each has the name of the extra that installs its package
_LOGGERS = "covseg.report.loggers."
_PASSES_ON = {
    f"{_LOGGERS}wandb.Wandb": ("wandb.init", {"mode", "resume", "settings", "dir"}),
    f"{_LOGGERS}tensorboard.TensorBoard": (
        "torch.utils.tensorboard.SummaryWriter",
        {"log_dir"},
    ),
    f"{_LOGGERS}mlflow.MLflow": ("lightning.pytorch.loggers.MLFlowLogger", {"run_name", "run_id"}),
}
_ZOO = ("segmentation_models_pytorch.", "monai.")


def arguments_of(node: Node) -> dict[str, Any]:
    """A part of the configuration as the arguments of ``make``."""
    return node.model_dump(by_alias=True)


def accepted(target: str) -> dict[str, inspect.Parameter]:
    """The parameters of a constructor, with those of what it passes others on to."""
    signature = inspect.signature(get_object(target), eval_str=_is_declared(target))
    known = dict(signature.parameters)
    if target in _PASSES_ON:
        place, own = _PASSES_ON[target]
        known = dict(inspect.signature(get_object(place)).parameters) | known
        known = {
            name: parameter
            for name, parameter in known.items()
            if name not in own and parameter.kind is not parameter.VAR_KEYWORD
        }
    return known


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
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise _missing(key, arguments["_target_"], error) from error
        # albumentations checks its arguments as covseg does
        if invalid := cause_of(error, ValidationError):
            first = invalid.errors()[0]
            where = ".".join(map(str, (key, *first["loc"][:1])))
            raise ConfigError(
                setting(where, first["input"]), "is not possible", wish(first)
            ) from error
        raise ConfigError(
            key, f"cannot be built ({_reason(error)})", "change its arguments"
        ) from error


def cause_of(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """The first error of this kind among an error and what it was raised from, if there is one."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__
    return error


def _check_arguments(key: str, arguments: Mapping[str, Any]) -> None:
    """Hold the arguments against the constructor's signature, and types where they are declared."""
    target = arguments["_target_"]
    try:
        known = accepted(target)
        origin = str(getattr(get_object(target), "__module__", None)).partition(".")[0]
    except Exception as error:  # of any kind: importing a module runs it
        raise _missing(key, target, error) from error
    if origin != target.partition(".")[0]:  # trust in a package is not in all that it imports
        raise ConfigError(
            setting(f"{key}._target_", target),
            f"is of the package {origin}",
            "name it there, and trust that package",
        )
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    if takes_any and target not in _PASSES_ON:
        return
    for name, value in arguments.items():
        if name == "_target_":
            continue
        if name not in known:
            raise ConfigError(
                setting(f"{key}.{name}", value), f"is no argument of {target}", nearest(name, known)
            )
        annotation = known[name].annotation
        # a string is of another package's constructor, see ``accepted``
        declared = annotation is not inspect.Parameter.empty and not isinstance(annotation, str)
        if declared and _is_declared(target):
            _check_type(f"{key}.{name}", value, annotation)


def _missing(key: str, target: str, error: BaseException) -> ConfigError:
    remedy = "install its package, or set --config-dir to a folder beside it"
    if target in _PASSES_ON:
        extra = target.removeprefix(_LOGGERS).partition(".")[0]
        remedy = f"pip install 'covseg[{extra}]'"
    elif target.startswith(_ZOO):
        remedy = "pip install 'covseg[zoo]'"
    return ConfigError(
        setting(f"{key}._target_", target), f"cannot be imported ({_reason(error)})", remedy
    )


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
