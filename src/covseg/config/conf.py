"""``conf/``: the groups, options, keys and targets that its files have."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

_PACKAGE = Path(__file__).resolve().parents[1]
# inside an installed wheel, or beside src/ in a checkout
CONF = next(p for p in (_PACKAGE / "conf", _PACKAGE.parents[1] / "conf") if p.is_dir())


def groups() -> list[str]:
    """The groups, such as ``model``, without Hydra's own."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")


def options(group: str) -> dict[str, Path]:
    """The options of a group with their files, such as ``unet3``."""
    return {file.stem: file for file in sorted((CONF / group).glob("*.yaml"))}


@cache
def option_keys(group: str) -> dict[str, frozenset[str]]:
    """The dotted keys that each option of a group sets, such as ``model.depth``."""
    values = {option: _load(file) for option, file in options(group).items()}
    for of_option in values.values():
        of_option.pop("defaults", None)
    return {option: dotted_keys(of_option, group) for option, of_option in values.items()}


def option_values(group: str, option: str) -> dict[str, Any]:
    """The dotted keys that an option sets, with their values; those that it builds on included."""
    values = _load(options(group)[option])
    below: dict[str, Any] = {}
    for base in values.pop("defaults", []):
        below |= option_values(group, str(base))
    return below | flatten(values, group)


@cache
def keys(verb: str) -> frozenset[str]:
    """Every dotted key that the files of a verb set, groups included."""
    own = _load(CONF / f"{verb}.yaml")
    entries = [entry for entry in own.pop("defaults") if isinstance(entry, dict)]
    own.pop("hydra")
    chosen = {str(group) for entry in entries for group in entry} & {*groups()} - {
        "experiment",
        "sweep",
    }
    of_groups = (keys for group in chosen for keys in option_keys(group).values())
    return dotted_keys(own).union(chosen, *of_groups)


@cache
def targets() -> frozenset[str]:
    """Every ``_target_`` in the files."""
    texts = (file.read_text(encoding="utf-8") for file in CONF.glob("*/*.yaml"))
    return frozenset(name for text in texts for name in re.findall(r"_target_: ([\w.]+)", text))


def flatten(values: Any, above: str = "") -> dict[str, Any]:
    """The leaves of nested mappings by their dotted keys: ``{"trainer.devices": 2, ...}``.

    Args:
        values: nested mappings; an empty one, and a list, is a leaf.
        above: dotted key of ``values`` itself.
    """
    head = [above] if above else []
    return {".".join([*head, *path]): leaf for path, leaf in leaves(values)}


def leaves(values: Any, *, lists: bool = False) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every leaf of nested mappings with its path, also of two that have one dotted key.

    Args:
        values: nested mappings.
        lists: whether to go into lists as well.
    """
    items: Any = ()
    if isinstance(values, Mapping):
        items = values.items()
    elif lists and isinstance(values, list | tuple):
        items = enumerate(values)
    if not items:
        yield (), values
    for key, value in items:
        yield from (((str(key), *path), leaf) for path, leaf in leaves(value, lists=lists))


def dotted_keys(values: Any, above: str = "") -> frozenset[str]:
    """The dotted keys of all leaves, and of the mappings that they are in."""
    parts = [leaf.split(".") for leaf in flatten(values, above)]
    return frozenset(".".join(leaf[:n]) for leaf in parts for n in range(1, len(leaf) + 1))


def _load(file: Path) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(OmegaConf.load(file))
    return dict(values)
