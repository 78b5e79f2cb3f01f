"""The command that explores the data of a configuration."""

import re
import shlex
from collections.abc import Iterator, Sequence

from covseg.config import conf
from covseg.config.data import Dataset
from covseg.config.quotes import in_quotes

_KEYS = (
    "images",
    "masks",
    "classes",
    "without_mask",
    "mask_values",
    "mask_threshold",
    "store_size",
)


def explore_command(data: Dataset) -> str:
    """The command that makes the findings of this data."""
    overrides = [_override(("data", "cache_dir"), data.cache_dir)]
    if data.layout != "covid_qu_ex":
        overrides += _of_layout(data)
    if data.root is not None:
        overrides.append(_override(("data", "root"), data.root))
    elif data.phantom is not None:
        counts = ",".join(f"{split}:{n}" for split, n in data.phantom.n_images.items())
        overrides += ["data=phantom", f"data.phantom.seed={data.phantom.seed}"]
        overrides += [f"'data.phantom.n_images={{{counts}}}'"]
        overrides += ["data.phantom.lung_tree=true"] * data.phantom.lung_tree
    overrides += ["data.download=true"] * data.download
    return f"python -m covseg.explore {' '.join(overrides)}"


def _of_layout(data: Dataset) -> Iterator[str]:
    """The option, and every key with another value than it has there."""
    option = data.name if data.name in conf.options("data") else data.layout
    yield f"data={option}"
    plain = conf.option_values("data", option)
    if isinstance(data.without_mask, dict):
        of_each = ",".join(f"{target}:{word}" for target, word in data.without_mask.items())
        yield shlex.quote(f"data.without_mask={{{of_each}}}")
    for path, value in conf.leaves(data.model_dump(include={*_KEYS})):
        key = ".".join(["data", *path])
        if path[0] == "without_mask" and len(path) > 1:  # another kind of value than it has there
            continue
        if value == {} and any(name.startswith(f"{key}.") for name in plain):
            yield f"{key}=null"
        elif value not in ({}, plain.get(key)):
            yield _override(("data", *path), value, new=key not in plain)


def _override(path: Sequence[str], value: object, *, new: bool = False) -> str:
    """A value for Hydra and the shell, in quotes if it has a sign that either one parses."""
    plain_path = re.fullmatch(r"[\w./-]*/[\w./-]*", str(value), re.ASCII)
    text = value if plain_path else _written(value)
    *above, last = path
    if not re.fullmatch(r"[\w-]+", last):  # a name that is no part of a dotted key
        return shlex.quote(f"{'.'.join(above)}={{{last}:{text}}}")
    return shlex.quote(f"{'+' * new}{'.'.join(path)}={text}")


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else in_quotes(str(value))
