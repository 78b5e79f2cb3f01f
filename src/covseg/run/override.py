"""One override of the command line: whether Hydra can read it, and how to quote its value."""

import contextlib
import re
from collections.abc import Iterable

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

# what Hydra and OmegaConf raise while they compose
REFUSALS = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError),
    *(AttributeError, KeyError, RecursionError, AssertionError),
)


def in_quotes(value: str) -> str:
    """A value as Hydra reads it back: a backslash means itself, unless a quote follows."""
    inside = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", inside) + '"'


def fixed_keys(words: Iterable[str]) -> set[str]:
    """The keys to which the words of a command give one value, in contrast to a sweep."""
    parser, keys = OverridesParser.create(), set()
    for word in words:
        with contextlib.suppress(*REFUSALS):  # other words
            override = parser.parse_override(word)
            if not override.is_sweep_override():
                keys.add(override.get_key_element())
    return keys


def readable(override: str) -> bool:
    """Whether Hydra's grammar accepts an override."""
    try:
        OverridesParser.create().parse_override(override)
    except REFUSALS:
        return False
    return True
