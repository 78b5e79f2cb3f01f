"""Patterns of paths with fields: ``{split} Set/Images/{name}.png``.

``*`` is any text without a ``/``, ``**/`` any folders, and a field (``{name}``, ``{split}``,
``{patient_class}``, ``{patient}``) a text without a ``/``. A ``*`` beside ``{name}`` neither
begins nor ends with a letter or digit, so that ``{name}*`` of ``covid_1`` is never ``covid_10``.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from covseg.data.source.file_names import stem
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
        if text.startswith("/"):
            raise ConfigError(f"{key}={text}", "begins with /", "write it relative to data.root")
        self.key, self.text = key, comparable(text.removeprefix("./"))
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
        match = self._any.fullmatch(comparable(path))
        if match is None:
            return None
        return {"name": stem(comparable(path))} | match.groupdict()

    def find(self, files: "SortedFiles", fields: Mapping[str, str]) -> list[str]:
        """The files that match with these fields."""
        filled = re.compile(self._expression(fields), re.DOTALL)
        plain = self._plain(self.text, fields)
        stem = self._plain(self.text.rpartition("/")[2], fields)[0]
        near = files.candidates(plain[0], stem, plain[-1])
        return [path for path in near if filled.fullmatch(comparable(path))]

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

    @staticmethod
    def _plain(text: str, fields: Mapping[str, str]) -> list[str]:
        """What stands between the ``*`` and the fields without a value."""
        plain, at = [""], 0
        for match in _TOKEN.finditer(text):
            plain[-1] += text[at : match.start()]
            at = match.end()
            if match[1] in fields:
                plain[-1] += fields[match[1]]
            else:
                plain.append("")
        plain[-1] += text[at:]
        return plain


def comparable(path: str) -> str:
    """A path with its ending in small letters and its accents as one character each.

    Cameras write ``.PNG``, and file systems differ in how they write an accent.
    """
    place, dot, ending = unicodedata.normalize("NFC", path).rpartition(".")
    return f"{place}.{ending.lower() if ending.isalnum() else ending}" if dot else ending


class SortedFiles:
    """Paths, found by how they or their names begin or end without looking at all of them."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = sorted(paths)
        by_text = sorted((comparable(path), path) for path in self._paths)
        self._by_start = by_text
        self._by_name = sorted((text.rpartition("/")[2], path) for text, path in by_text)
        self._by_end = sorted((text[::-1], path) for text, path in by_text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def candidates(self, start: str, name: str, end: str) -> list[str]:
        """Paths that begin, whose names begin, or that end so: by the longest of the three."""
        orders = ((self._by_start, start), (self._by_name, name), (self._by_end, end[::-1]))
        order, text = max(orders, key=lambda of: len(of[1]))
        first = bisect_left(order, (text, ""))
        last = bisect_left(order, (text + "\U0010ffff", ""), lo=first)
        return sorted(path for _, path in order[first:last])
