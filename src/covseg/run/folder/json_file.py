"""JSON files of a run folder, read without trusting them."""

import json
from pathlib import Path
from typing import Any

_BYTES = 10_000_000  # a summary of both targets has twenty thousand


def read_json(path: Path) -> Any:
    """The content of a JSON file of a run folder.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not JSON, or far larger than any that covseg writes.
    """
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise ValueError("too large")
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def json_value(path: Path, *keys: str) -> Any:
    """A value of a JSON file; None where the file or the value is missing or damaged."""
    try:
        value = read_json(path)
        for key in keys:
            value = value[key]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return value
