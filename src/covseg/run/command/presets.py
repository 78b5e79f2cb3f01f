"""Presets of the user's own, below ``--config-dir``: checked as Hydra asks for each file.

Hydra copies what aliases share before anybody can count it, and names neither file nor line.
"""

import contextlib
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource

from covseg.config import CONF
from covseg.errors import ConfigError
from covseg.run.folder.yaml_file import YamlFile
from covseg.run.override import in_quotes

_GLOBAL = "# @package _global_"
_TWICE = re.compile(r"(\S+) appears more than once in the final defaults list")  # says Hydra


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
        if path.read_bytes().startswith(BOM_UTF8):
            reason = "begins with a byte-order mark, which Hydra takes for a letter"
            raise ConfigError(path, reason, "save it as UTF-8 without one")
        if not isinstance(file.values.get("defaults", []), list):
            at = f"{path}, line {file.line_of(['defaults'])},"
            raise ConfigError(at, "has defaults that are no list", "write '- ' before each of them")
        group, _, _ = config_path.rpartition("/")
        try:
            package = ConfigSource._get_header_dict(path.read_text(encoding="utf-8"))["package"]
        except ValueError as error:
            reason = f"has a first line that Hydra cannot read ({error})"
            raise ConfigError(path, reason, f"write '{_GLOBAL}'") from error
        if package == "_group_":
            reason = "begins with '# @package _group_', which is for Hydra 1.0"
            raise ConfigError(path, reason, "remove that line")
        if package is None:
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
    return f"hydra.searchpath=[{in_quotes(f'{Presets.scheme()}://{path}')}]"


@contextlib.contextmanager
def located(overrides: Sequence[str]) -> Iterator[None]:
    """Name the file and the line of what is refused, where it stands in a preset.

    Raises:
        ConfigError: the same, with its place; or presets that would not be checked.
    """
    for word in overrides:
        if word.lstrip("+~").startswith("hydra.searchpath"):
            remedy = "say --config-dir=<folder>"
            raise ConfigError(word, "names folders whose files covseg would not check", remedy)
    Presets.read.clear()
    try:
        yield
    except ConfigError as error:
        key = str(error.args[0]).partition("=")[0]
        given = any(word.lstrip("+~").partition("=")[0] == key for word in overrides)
        if found := _of_defaults(error) or (None if given else _of_a_key(error)):
            raise found from error
        raise


def _of_a_key(error: ConfigError) -> ConfigError | None:
    """The sentence with the line of the key that it names."""
    where, cause, remedy = map(str, error.args)
    key = where.partition("=")[0].split(".")
    for file, package in Presets.read:
        if key[: len(package)] == package and (line := file.line_of(key[len(package) :])):
            if len(key) == 1 and (CONF / key[0]).is_dir():
                remedy = f"choose it in the defaults: '- override /{key[0]}: <option>'"
            return ConfigError(f"{where} in {file.path}, line {line},", cause, remedy)
    return None


def _of_defaults(error: ConfigError) -> ConfigError | None:
    """The sentence with the line of the ``defaults`` that choose what it names."""
    where, cause, remedy = map(str, error.args)
    key, _, value = where.partition("=")
    if isinstance(error.__cause__, RecursionError) and Presets.read:
        last, _ = Presets.read[-1]
        cause = "leads back to itself through its defaults"
        return ConfigError(last.path, cause, "take that preset out of them")
    if twice := _TWICE.search(str(error.__cause__)):
        where = key = twice[1]
        value, cause = "", "is chosen already"
        remedy = f"write 'override /{key}: <option>' there"
    above, _, name = key.rpartition("/")
    if above and (CONF / name).is_dir():
        cause, remedy = f"is looked for below {above}", f"write 'override /{name}' there"
    for file, _ in Presets.read:
        for group, option, line in _defaults(file):
            if group in {key, name} and value in {"", option}:
                if remedy == "see --help":  # Hydra did not say what there is
                    remedy = "name a file that is there"
                return ConfigError(f"{where} in {file.path}, line {line},", cause, remedy)
    return None


def _defaults(file: YamlFile) -> Iterator[tuple[str, str, int | None]]:
    """Group, option and line of each entry: ``- override /model: unet3`` or ``- base``."""
    beside = file.path.parent.name
    for number, entry in enumerate(file.values.get("defaults", [])):
        for name, option in entry.items() if isinstance(entry, dict) else [(beside, entry)]:
            group = str(name).split()[-1].lstrip("/")
            yield group, str(option), file.line_of(["defaults", str(number)])
