"""The arguments of a command line: options, overrides, and the single runs of a sweep."""

from argparse import ArgumentError, Namespace
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep

from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import unreadable
from covseg.run.override import REFUSALS, for_hydra

_HELP = "see --help"
_MOST = 1000  # runs of a sweep: each is checked before the first one starts


def parse(arguments: Sequence[str]) -> Namespace:
    """The command line as Hydra's parser reads it.

    Raises:
        ConfigError: an option that does not exist, or overrides on both sides of -m.
    """
    parser = get_args_parser()
    parser.exit_on_error = parser.allow_abbrev = False  # an ambiguous one would end the process
    try:
        parsed, unknown = parser.parse_known_args(list(arguments))
    except ArgumentError as error:
        raise ConfigError(
            error.argument_name or "the command line", f"cannot be read ({error.message})", _HELP
        ) from error
    if options := [argument for argument in unknown if argument.startswith("-")]:
        raise ConfigError(options[0], "is not an option of covseg", _HELP)
    if unknown:
        raise ConfigError(
            unknown[0],
            "is apart from the other overrides",
            "write all of them after the options, e.g. -m seed=1 model.depth=2,3",
        )
    if parsed.experimental_rerun:
        raise ConfigError(
            "--experimental-rerun", "would run whatever a pickle holds", "give the overrides again"
        )
    if parsed.resolve and not (parsed.cfg or parsed.help):
        raise ConfigError("--resolve", "changes how --cfg prints", "use --cfg job --resolve")
    for option in ("config_path", "config_name"):
        if getattr(parsed, option) is not None:
            raise ConfigError(
                f"--{option.replace('_', '-')}={getattr(parsed, option)}",
                "would replace covseg's own configuration",
                "use --config-dir=<folder> for presets of your own, then experiment=<preset>",
            )
    parsed.overrides = [for_hydra(override) for override in parsed.overrides]
    return parsed


def overrides_of(params: Mapping[str, Any] | None) -> list[str]:
    """``hydra.sweeper.params`` of an option as overrides of the command line."""
    return [f"{key}={value}" for key, value in (params or {}).items()]


def jobs(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of each run of a sweep, as Hydra's basic sweeper makes them.

    An interval, which only a search can sample, is left out.

    Raises:
        ConfigError: an override that cannot be read, or too many runs.
    """
    try:
        loader = GlobalHydra.instance().config_loader()  # glob(*) looks at the options
        parsed = OverridesParser.create(loader).parse_overrides(list(overrides))
        listed = [one for one in parsed if not one.is_sweep_override() or one.is_discrete_sweep()]
        for override in listed:
            _check_range(override)
        n_runs = prod(len([*o.sweep_string_iterator()]) for o in listed if o.is_sweep_override())
        if not 0 < n_runs <= _MOST:
            raise _too_many(" ".join(overrides), f"{n_runs:,}")
        [runs] = BasicSweeper.split_arguments(listed, max_batch_size=None)
    except REFUSALS as error:
        line, reason = " ".join(overrides), str(error).partition("\n")[0]
        refused = ConfigError(line, f"cannot be understood ({reason})", _HELP)
        raise (unreadable(overrides) or refused) from error
    return list(runs)


def _check_range(override: Override) -> None:
    """Refuse a range before it is written out, which would take all memory."""
    if isinstance(value := override.value(), RangeSweep):
        start, stop, step = (float(x or 0) for x in (value.start, value.stop, value.step))
        if not step or (stop - start) / step > _MOST:
            raise _too_many(str(override.input_line), f"more than {_MOST:,}")


def _too_many(overrides: str, how_many: str) -> ConfigError:
    return ConfigError(
        overrides,
        f"asks for {how_many} runs, and covseg starts 1 to {_MOST:,}",
        "give other values",
    )
