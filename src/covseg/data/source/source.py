"""Files by name, wherever they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from covseg.errors import DataMissing


class Source(Protocol):
    """Files by name: what a layout lists and the store reads."""

    path: Path

    def names(self) -> Sequence[str]:
        """Every picture, relative, with ``/`` between the parts."""

    def read(self, name: str) -> bytes:
        """The bytes of one file; DataError if they cannot be read, or are not those of ``crcs``."""

    def crcs(self, names: Sequence[str]) -> Mapping[str, int]:
        """CRC-32 of the bytes of these files."""


def existing(root: str | Path, remedy: str) -> Path:
    """The absolute path of ``data.root``.

    Args:
        root: as it was written.
        remedy: of the error.

    Raises:
        DataMissing: nothing is there, or it cannot be looked at.
    """
    path = Path(root).expanduser().absolute()
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataMissing(f"data.root={root}", "does not exist", remedy) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataMissing(f"data.root={root}", f"cannot be read ({reason})", remedy) from error
    return path
