"""The arguments of a command line: options, overrides, and the single runs of a sweep."""

from argparse import ArgumentError, Namespace
from collections.abc import Iterator, Sequence
from itertools import product
from math import prod

from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep

from covseg.errors import ConfigError
from covseg.run.command.hydra_errors import not_understood, unreadable
from covseg.run.override import REFUSALS

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
            "stands apart from the other overrides",
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
    return parsed


def jobs(overrides: Sequence[str]) -> Iterator[list[str]]:
    """The overrides of each run of a sweep, as Hydra's basic sweeper makes them.

    Raises:
        ConfigError: an override that cannot be read, or too many runs.
    """
    try:
        loader = GlobalHydra.instance().config_loader()  # glob(*) looks at the options
        parsed = OverridesParser.create(loader).parse_overrides(list(overrides))
        choices = [choice for one in parsed if (choice := _choices(one)) is not None]
    except REFUSALS as error:
        raise (unreadable(overrides) or not_understood(overrides, error)) from error
    if (n_jobs := prod(map(len, choices))) > _MOST:
        raise _too_many(overrides, f"{n_jobs:,}")
    return (list(job) for job in product(*choices))


def _choices(override: Override) -> list[str] | None:
    """The override of each job; None for an interval, which has no list of values."""
    line, value = str(override.input_line), override.value()
    if not override.is_sweep_override():
        return [line]
    if isinstance(value, RangeSweep):
        start, stop, step = (float(x or 0) for x in (value.start, value.stop, value.step))
        if not step or (stop - start) / step > _MOST:
            raise _too_many([line], f"more than {_MOST:,}")
    if not override.is_discrete_sweep():
        return None
    try:
        values = list(override.sweep_string_iterator())
    except REFUSALS as error:
        raise ConfigError(
            line, "has several values inside one", "write one list, such as a,b,c"
        ) from error
    if not values:
        raise ConfigError(line, "has no value", "leave it out, or give one")
    return [f"{override.get_key_element()}={one}" for one in values]


def _too_many(overrides: Sequence[str], how_many: str) -> ConfigError:
    return ConfigError(
        " ".join(overrides),
        f"asks for {how_many} runs, and covseg starts {_MOST:,} at most",
        "give fewer values",
    )
