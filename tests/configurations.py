"""Configurations as the command line makes them."""

from collections.abc import Sequence
from typing import Any

from covseg.run.command.arguments import jobs, overrides_of, parse
from covseg.run.command.compose import compose_config, composer, own_folder, plain
from covseg.run.verb import Verb
from covseg.validation import check


def composed(verb: str, overrides: Sequence[str], config_dir: str | None = None) -> dict[str, Any]:
    """The values of one run, resolved and unchecked."""
    with composer(verb, own_folder(config_dir), overrides) as all_of_them:
        return plain(compose_config(verb, all_of_them))


def check_command_line(verb: Verb, words: Sequence[str]) -> None:
    """Compose and check every run of a command line.

    Raises:
        CovsegError: one of them is refused.
    """
    arguments = parse(words)
    with composer(verb.name, own_folder(arguments.config_dir), arguments.overrides) as overrides:
        runs = [overrides]
        if arguments.multirun:
            presets = [override for override in overrides if override.startswith("sweep=")]
            params = compose_config(verb.name, presets).hydra.sweeper.get("params")
            runs = jobs([*overrides_of(params), *overrides])
        for job in runs:
            verb.request(check(verb.schema, plain(compose_config(verb.name, job))))
