"""Configurations as the command line makes them."""

from collections.abc import Sequence
from typing import Any

from covseg.run.command.arguments import jobs, parse
from covseg.run.command.compose import compose_config, composer, plain
from covseg.run.verb import Verb
from covseg.validation import check


def composed(verb: str, overrides: Sequence[str], config_dir: str | None = None) -> dict[str, Any]:
    """The values of one run, resolved and unchecked."""
    with composer(verb, config_dir) as own:
        return plain(compose_config(verb, [*overrides, *own]))


def check_command_line(verb: Verb, words: Sequence[str]) -> None:
    """Compose and check every run of a command line.

    Raises:
        CovsegError: one of them is refused.
    """
    arguments = parse(words)
    with composer(verb.name, arguments.config_dir) as own:
        overrides = [*arguments.overrides, *own]
        for job in jobs(overrides) if arguments.multirun else [overrides]:
            verb.request(check(verb.schema, plain(compose_config(verb.name, job))))
