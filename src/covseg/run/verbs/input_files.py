"""The images that a prediction is asked for: files by name, and what their results are called."""

import glob
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from covseg.data.dicom import DICOM_ENDINGS, is_dicom
from covseg.data.grey import ENDINGS
from covseg.errors import ConfigError, DataMissing

_KNOWN = ENDINGS | DICOM_ENDINGS
EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class InputFile:
    """An image.

    Attributes:
        path: of the file.
        name: below the folder that was named, with / between folders.
        result: the same without an ending, unique among all inputs: results begin with it.
    """

    path: Path
    name: str
    result: str


@dataclass(frozen=True)
class InputFiles:
    """What was asked for, sorted by name.

    Attributes:
        root: the folder that names begin below.
        images: of known endings, and DICOM files with any or none.
        n_others: other files, which are ignored.
        closed: folders that cannot be opened, with the reason.
    """

    root: Path
    images: list[InputFile]
    n_others: int
    closed: dict[str, str]

    @classmethod
    def of(cls, asked: str, output: Path, known: Mapping[str, str] = EMPTY) -> "InputFiles":
        """Read what a file, folder or glob pattern names; a folder with all folders in it.

        A file that is named, by itself or by a pattern, is an image whatever its ending.

        Args:
            asked: path or pattern.
            output: a folder whose content is no input.
            known: name -> result of images that were predicted before.

        Raises:
            DataMissing: there is no such file.
            ConfigError: results would become images.
        """
        named, others, closed = [], 0, dict[str, str]()
        pattern = os.path.abspath(os.path.expanduser(asked))  # noqa: PTH100, PTH111  it is no path
        if Path(pattern).is_dir():
            root = Path(pattern)
            for path in _files(root, output, closed):
                if _is_image(path):
                    named.append(path)
                else:
                    others += 1
        else:
            # pathlib takes no pattern that begins with a root
            exact = [pattern] if Path(pattern).is_file() else glob.glob(pattern, recursive=True)  # noqa: PTH207
            named = [path for path in map(Path, exact) if path.is_file()]
            if output.is_relative_to(fixed := _fixed_part(pattern)) and output != fixed:
                named = [path for path in named if not path.is_relative_to(output)]
            root = Path(os.path.commonpath([path.parent for path in named])) if named else Path()
        if not named:
            cause = "has no image in it" if Path(pattern).is_dir() else "names no file"
            endings = ", ".join(sorted(ENDINGS))
            raise DataMissing(f"input={asked}", cause, f"name DICOM files or one of {endings}")
        if root == output:
            raise ConfigError(
                f"output={output}", "is the folder of the images itself", "name another folder"
            )
        return cls(root, list(_with_results(sorted(named), root, known)), others, closed)


def _fixed_part(pattern: str) -> Path:
    """The folder below which everything is that a pattern names."""
    parts = itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts)
    return Path(*parts)


def printable(name: str) -> str:
    """A file name, which may not be text: a byte that is none is shown in hexadecimal digits."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _files(root: Path, output: Path, closed: dict[str, str]) -> Iterator[Path]:
    """The files of a folder and those below it; what cannot be opened is added to ``closed``."""

    def note(error: OSError) -> None:
        closed[str(error.filename)] = f"{error.filename} cannot be opened ({error.strerror})"

    for folder, folders, names in os.walk(root, onerror=note, followlinks=False):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name != output]
        yield from (here / name for name in names)


def _is_image(path: Path) -> bool:
    try:
        return path.suffix.lower() in ENDINGS or is_dicom(path)
    except OSError:
        return True  # it is listed with the reason when it is read


def _with_results(paths: list[Path], root: Path, known: Mapping[str, str]) -> Iterator[InputFile]:
    """Name the results: two files that differ in their ending alone keep it in theirs."""
    taken = {result.casefold() for result in known.values()}
    for path in paths:
        name = printable(path.relative_to(root).as_posix())
        if name in known:
            yield InputFile(path, name, known[name])
            continue
        result = name.removesuffix(path.suffix) if path.suffix.lower() in _KNOWN else name
        if result.casefold() in taken:  # some file systems do not tell A from a
            result = name.replace(".", "_")
        number, first = 2, result
        while result.casefold() in taken:
            result, number = f"{first}_{number}", number + 1
        taken.add(result.casefold())
        yield InputFile(path, name, result)
