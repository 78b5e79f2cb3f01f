"""A YAML file that somebody else wrote: read without trusting it, refused by the line of its fault.

Aliases are counted before they are followed: a file of ten lines can stand for a billion values.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from covseg.errors import ConfigError

_BYTES = 100_000  # a run's configuration has three thousand
_VALUES = 10_000  # a run's configuration has two hundred
_DEPTH = 30  # a run's configuration has four levels
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge")}
_MEND = "mend it there"


@dataclass(frozen=True)
class YamlFile:
    """A mapping on disk.

    Attributes:
        path: of the file.
        root: its nodes, which know their lines.
        values: plain dicts, lists and values.
    """

    path: Path
    root: yaml.MappingNode
    values: dict[Any, Any]

    @classmethod
    def read(cls, path: Path) -> "YamlFile":
        """Read a file that may be damaged or hostile.

        Raises:
            ConfigError: what is wrong with it, and in which line.
            OSError: it cannot be opened.
        """
        text = _text(path)
        try:
            root = yaml.compose(text, _Loader)
            if root is None:  # only comments
                return cls(path, yaml.MappingNode(_TAG + "map", []), {})
            _Check(path).whole(root)
            values = _Values(root).values
        except yaml.MarkedYAMLError as error:
            raise _not_yaml(path, error) from error
        except RecursionError as error:
            raise _too_deep(path) from error
        except (yaml.YAMLError, ValueError, KeyError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(path, f"is not YAML ({reason})", _MEND) from error
        if not isinstance(root, yaml.MappingNode):
            kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
            raise ConfigError(path, f"is {kind}", "write keys with their values, 'key: value'")
        return cls(path, root, values)

    def line_of(self, key: Sequence[str]) -> int | None:
        """The line of a key, given part by part; None where the file does not set it.

        What is inside of a single value came with its interpolation, and has its line.
        """
        node: yaml.Node = self.root
        line = None
        for part in key:
            found = _child(node, part)
            if found is None:
                return line if isinstance(node, yaml.ScalarNode) else None
            line, node = found
        return line


def _child(node: yaml.Node, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        found = node.value[int(part)]
        return found.start_mark.line + 1, found
    return None


def _text(path: Path) -> str:
    if not path.is_file() and path.exists():  # a pipe would be waited for
        kind = "a folder" if path.is_dir() else "not a file"
        raise ConfigError(path, f"is {kind}", "put a YAML file there")
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        size = path.stat().st_size / 1e6
        raise ConfigError(
            path, f"has {size:.1f} MB, where a configuration has a few kB", "keep only what it sets"
        )
    if not content.strip():
        raise ConfigError(path, "is empty", "write into it what it should set")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line},", "is not UTF-8 text", "save the file as UTF-8"
        ) from error


def _not_yaml(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    where = f"{path}, line {mark.line + 1}," if mark else path
    reason = str(error.problem or error.context)
    if "'\\t'" in reason:
        return ConfigError(where, "has a tab where YAML wants spaces", "write spaces")
    return ConfigError(where, f"is not YAML ({reason})", _MEND)


def _too_deep(where: object) -> ConfigError:
    return ConfigError(where, f"is nested more than {_DEPTH} levels deep", "write it flatter")


class _Loader(yaml.SafeLoader):
    """Reads numbers as Hydra does: 1e-2 is one, which YAML 1.1 takes for a word."""


class _Dumper(yaml.SafeDumper):
    """Puts a word in quotes that would be read as such a number."""


_EXPONENT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*(\.[0-9_]*)?[eE][-+]?[0-9]+\Z")
for _either in (_Loader, _Dumper):
    _either.add_implicit_resolver(_TAG + "float", _EXPONENT, list("-+0123456789"))


def dumped(values: dict[str, Any]) -> str:
    """Plain values as a file that ``YamlFile`` reads back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Check:
    """One walk over the nodes, each visited once however many aliases lead to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, tuple[int, int]] = {}  # node -> values and levels in it
        self._above: set[int] = set()

    def whole(self, node: yaml.Node) -> tuple[int, int]:
        """How many values and levels a node stands for."""
        if id(node) in self._above:
            raise ConfigError(
                self._at(node), "contains itself through its alias", "write its values out"
            )
        if id(node) not in self._known:
            self._above.add(id(node))
            self._known[id(node)] = self._count(node)
            self._above.remove(id(node))
        return self._known[id(node)]

    def _count(self, node: yaml.Node) -> tuple[int, int]:
        if node.tag == _TAG + "timestamp":
            node.tag = _TAG + "str"  # as Hydra reads it
        if node.tag not in _PLAIN:
            tag = node.tag.replace(_TAG, "!!")
            raise ConfigError(
                self._at(node), f"has the tag {tag}, and only plain values are read", "remove it"
            )
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        found = [self.whole(child) for child in children]
        n_values = 1 + sum(n for n, _ in found)
        n_levels = 1 + max((levels for _, levels in found), default=0)
        if n_values > _VALUES:
            raise ConfigError(
                self._at(node),
                f"stands for more than {_VALUES:,} values once its aliases are followed",
                "write the few out that are meant",
            )
        if n_levels > _DEPTH:
            raise _too_deep(self._at(node))
        return n_values, n_levels

    def _check_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == _TAG + "null":
                raise ConfigError(self._at(key), "has a value without a key", "write its key")
            if not isinstance(key, yaml.ScalarNode) or key.tag == _TAG + "merge":
                continue
            if key.value in lines:
                raise ConfigError(
                    self._at(key),
                    f"sets {key.value} again, after line {lines[key.value]}",
                    "keep one of the two",
                )
            lines[key.value] = key.start_mark.line + 1

    def _at(self, node: yaml.Node) -> str:
        return f"{self._path}, line {node.start_mark.line + 1},"


class _Values(yaml.constructor.SafeConstructor):
    """Plain values of nodes, as ``yaml.safe_load`` makes them of a text."""

    def __init__(self, root: yaml.Node) -> None:
        super().__init__()
        self.values: Any = self.construct_document(root)
