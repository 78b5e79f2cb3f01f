"""Patterns of paths with fields: ``{split} Set/Images/{name}.png``.

``*`` is any text without a ``/``, ``**/`` any folders, and a field (``{name}``, ``{split}``,
``{patient_class}``, ``{patient}``) a text without a ``/``. A ``*`` beside ``{name}`` neither
begins nor ends with a letter or digit, so that ``{name}*`` of ``covid_1`` is never ``covid_10``.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from covseg.errors import ConfigError, nearest

FIELDS = ("name", "split", "patient_class", "patient")
_TOKEN = re.compile(r"\{(\w*)\}|\*\*/|\*")
_APART = {"after": r"(?![^\W_])", "before": r"(?<![^\W_])"}


class Pattern:
    """A pattern.

    Args:
        key: of the configuration, for error messages.
        text: as it was written.

    Raises:
        ConfigError: it has a field that does not exist.
    """

    def __init__(self, key: str, text: str) -> None:
        self.key, self.text = key, text
        for field in (match[1] for match in _TOKEN.finditer(text) if match[0].startswith("{")):
            if field not in FIELDS:
                cause = f"has the field {{{field}}}, which does not exist"
                raise ConfigError(f"{key}={text}", cause, nearest(field, FIELDS))
        self._any = re.compile(self._expression({}), re.DOTALL)

    @property
    def has_name(self) -> bool:
        """Whether the field name is in it."""
        return "{name}" in self.text

    def fields(self, path: str) -> dict[str, str] | None:
        """The fields of a path, None if it does not match; without ``{name}`` it is the stem."""
        match = self._any.fullmatch(path)
        if match is None:
            return None
        return {"name": PurePosixPath(path).stem} | match.groupdict()

    def find(self, files: "SortedFiles", fields: Mapping[str, str]) -> list[str]:
        """The files that match with these fields."""
        filled = re.compile(self._expression(fields), re.DOTALL)
        start, end = self._ends(fields)
        return [path for path in files.candidates(start, end) if filled.fullmatch(path)]

    def _expression(self, fields: Mapping[str, str]) -> str:
        """A regular expression; a field without a value becomes a group."""
        parts, at, seen = [], 0, set[str]()
        for match in _TOKEN.finditer(self.text):
            before, after = self.text[: match.start()], self.text[match.end() :]
            parts.append(re.escape(self.text[at : match.start()]))
            at = match.end()
            if field := match[1]:
                group = f"(?P={field})" if field in seen else f"(?P<{field}>[^/]+)"
                parts.append(re.escape(fields[field]) if field in fields else group)
                seen.add(field)
            elif match[0] == "**/":
                parts.append("(?:.+/)?")
            else:
                start = _APART["after"] if before.endswith("{name}") else ""
                end = _APART["before"] if after.startswith("{name}") else ""
                parts.append(f"{start}[^/]*{end}")
        return "".join([*parts, re.escape(self.text[at:])])

    def _ends(self, fields: Mapping[str, str]) -> tuple[str, str]:
        """What every matching path begins and ends with."""
        plain, at = [""], 0
        for match in _TOKEN.finditer(self.text):
            plain[-1] += self.text[at : match.start()]
            at = match.end()
            if match[1] in fields:
                plain[-1] += fields[match[1]]
            else:
                plain.append("")
        plain[-1] += self.text[at:]
        return plain[0], plain[-1]


class SortedFiles:
    """Paths, found by how they begin or end without looking at all of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._forward = sorted(paths)
        self._backward = sorted(path[::-1] for path in self._forward)

    def __iter__(self) -> Iterator[str]:
        return iter(self._forward)

    def candidates(self, start: str, end: str) -> list[str]:
        """Paths with this beginning, or those with this end if it is longer, sorted."""
        if len(start) >= len(end):
            return _beginning(self._forward, start)
        return sorted(path[::-1] for path in _beginning(self._backward, end[::-1]))


def _beginning(paths: list[str], start: str) -> list[str]:
    first = bisect_left(paths, start)
    last = bisect_left(paths, start + "\U0010ffff", lo=first)
    return paths[first:last]
