"""The quotes that Hydra's command line needs around a text."""

import re


def in_quotes(value: str) -> str:
    """A value as Hydra reads it back: a backslash means itself, unless a quote follows."""
    inside = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", inside) + '"'
