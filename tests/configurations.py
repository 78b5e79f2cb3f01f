"""Configurations as the command line makes them."""

from collections.abc import Sequence
from typing import Any

from covseg.run.command.compose import compose_config, composer, plain


def composed(verb: str, overrides: Sequence[str], config_dir: str | None = None) -> dict[str, Any]:
    """The values of one run, resolved and unchecked."""
    with composer(verb, config_dir) as own:
        return plain(compose_config(verb, [*overrides, *own]))
