"""Presets of the user's own, below ``--config-dir``: checked as Hydra asks for each file.

Hydra copies what aliases share before anybody can count it, and names neither file nor line.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource

from covseg.errors import ConfigError
from covseg.run.compose import CONF
from covseg.run.yaml_file import YamlFile

_GLOBAL = "# @package _global_"


class Presets(FileConfigSource):
    """Hydra's own source of files, for a folder that is not covseg's.

    Attributes:
        read: the files that the last composition asked for, each with the package it lands in.
    """

    read: ClassVar[list[tuple[YamlFile, list[str]]]] = []

    @staticmethod
    def scheme() -> str:
        """What stands before ``://`` in a search path."""
        return "presets"

    def load_config(self, config_path: str) -> ConfigResult:
        """A file as Hydra wants it.

        Raises:
            ConfigError: it cannot be trusted, or would land in the wrong place.
        """
        path = Path(self.path, self._normalize_file_name(config_path))
        file = YamlFile.read(path)
        if not isinstance(file.values.get("defaults", []), list):
            at = f"{path}, line {file.line_of(['defaults'])},"
            raise ConfigError(at, "has defaults that are no list", "write '- ' before each of them")
        group, _, _ = config_path.rpartition("/")
        try:
            package = ConfigSource._get_header_dict(path.read_text(encoding="utf-8"))["package"]
        except ValueError as error:
            reason = f"has a first line that Hydra cannot read ({error})"
            raise ConfigError(path, reason, f"write '{_GLOBAL}'") from error
        if package in {None, "_group_"}:
            package = group.replace("/", ".")
            if group == "experiment" or (group and not (CONF / group).is_dir()):
                raise ConfigError(
                    path,
                    f"does not begin with '{_GLOBAL}', so all it sets would land below {package}",
                    "make that its first line",
                )
        parts = [] if package == "_global_" else (package or "").split(".")
        self.read.append((file, parts))
        return super().load_config(config_path)


def searchpath(folder: str) -> str:
    """The override that makes Hydra look for options in ``folder``, through ``Presets``.

    Raises:
        ConfigError: there is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ConfigError(
            f"--config-dir={folder}",
            "is a file" if path.exists() else "is not there",
            "name a folder with presets, such as <folder>/experiment/own.yaml",
        )
    Plugins.instance().register(Presets)
    quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'hydra.searchpath=["{Presets.scheme()}://{quoted}"]'


@contextlib.contextmanager
def located(overrides: Sequence[str]) -> Iterator[None]:
    """Name the file and the line of what is refused, where it stands in a preset.

    Raises:
        ConfigError: the same, with its place.
    """
    Presets.read.clear()
    try:
        yield
    except ConfigError as error:
        where, cause, remedy = map(str, error.args)
        reason = str(error.__cause__)
        if twice := re.match(r"(\S+) appears more than once in the final defaults list", reason):
            where, cause = twice[1], "is chosen already"
            remedy = f"write 'override /{where}: <option>' there"
        key, _, value = where.partition("=")
        given = any(word.lstrip("+~").partition("=")[0] == key for word in overrides)
        if not given and (place := _line(key.split("."), value)):
            raise ConfigError(f"{where} in {place},", cause, remedy) from error
        for file, _ in Presets.read:
            if f"'{file.path.parent.name}/{file.path.stem}'" in reason:
                raise ConfigError(f"{where} in {file.path}", cause, remedy) from error
        raise


def _line(key: list[str], value: str) -> str | None:
    """Where a preset sets a key, or names an option in its ``defaults``."""
    for file, package in Presets.read:
        line = None
        if key[: len(package)] == package:
            line = file.line_of(key[len(package) :])
        for group, option, at in () if line else _defaults(file):
            if option == value or (group == ".".join(key) and not value):
                line = at
        if line:
            return f"{file.path}, line {line}"
    return None


def _defaults(file: YamlFile) -> Iterator[tuple[str, str, int | None]]:
    """Group, option and line of each entry: ``- override /model: unet3`` or ``- own``."""
    for number, entry in enumerate(file.values.get("defaults", [])):
        for name, option in entry.items() if isinstance(entry, dict) else [("own", entry)]:
            group, _, inside = str(option).rpartition("/")
            group = group or str(name).split()[-1]
            yield group.lstrip("/"), inside, file.line_of(["defaults", str(number)])
