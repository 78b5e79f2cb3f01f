"""One override of the command line: whether Hydra can read it, and how to quote its value."""

import contextlib
import re
from collections.abc import Iterable

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from covseg.config.quotes import in_quotes

# what Hydra and OmegaConf raise while they compose
REFUSALS = (
    *(HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, TypeError),
    *(AttributeError, KeyError, RecursionError, AssertionError),
)


_MASKS_OF_OTHERS = re.compile(r"^data\.masks\.(?!(?:infection|lung)=)")
_PATTERN = re.compile(r"""(\+*data\.(?:images|masks\.\w+))=([^"'{]*\{\w+\}[^"']*)""")


def for_hydra(override: str) -> str:
    """An override of ``data.images`` or ``data.masks`` without the signs that Hydra asks for.

    Those are quotes around a value with a brace, as in ``images/{name}.png``, and the ``++`` of a
    key that is new, as that of a target of the user's. Other overrides stay as they are.
    """
    override = _MASKS_OF_OTHERS.sub(lambda match: f"++{match[0]}", override, count=1)
    match = _PATTERN.fullmatch(override)
    if match is None:
        return override
    key, value = match.groups()
    if not re.fullmatch(r"\[.*\]", value):
        return f"{key}={in_quotes(value)}"
    parts = value.removeprefix("[").removesuffix("]").split(",")
    return f"{key}=[{','.join(in_quotes(part.strip()) for part in parts)}]"


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
