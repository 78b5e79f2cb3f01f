"""Which images weights have been fitted on: ``fitted.csv`` of a run folder.

It names the images of the run and those of every run that its weights come from, so that no chain
of runs has to be followed, and the earlier runs may be deleted.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from covseg.data.store import Store
from covseg.errors import DataError
from covseg.files import write_whole

_COLUMNS = ("split", "class", "name", "content")
_TOTAL = "total"  # begins the last line
Image = tuple[str, str, str, str]


@dataclass(frozen=True)
class Fitted:
    """Images by split, class, name, and a hash of their pixels."""

    images: frozenset[Image] = frozenset()

    @classmethod
    def read(cls, path: Path) -> "Fitted":
        """Read a file of ``write``.

        Raises:
            DataError: no such file, or not one of ``write``.
        """
        try:
            with path.open(encoding="utf-8", newline="") as file:
                head, *lines = [*csv.reader(file)] or [[]]
            if tuple(head) != _COLUMNS or any(len(line) != len(_COLUMNS) for line in lines):
                raise DataError(path, f"has other columns than {','.join(_COLUMNS)}", _WHOLE)
            if not lines or lines.pop() != [_TOTAL, "", "", str(len(lines))]:
                raise DataError(path, "is truncated, or lines of it are missing", _WHOLE)
        except FileNotFoundError as error:
            raise DataError(
                path,
                "is missing, so it is not known which images that run was fitted on",
                f"{_WHOLE}; if an older covseg made it, train it again",
            ) from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(path, f"cannot be read ({error})", _WHOLE) from error
        return cls(frozenset((line[0], line[1], line[2], line[3]) for line in lines))

    def write(self, path: Path) -> None:
        """Write ``fitted.csv``.

        Raises:
            RunError: it cannot be written.
        """
        table = io.StringIO(newline="")
        last = (_TOTAL, "", "", str(len(self.images)))  # or a truncated file would be accepted
        csv.writer(table).writerows([_COLUMNS, *sorted(self.images), last])
        write_whole(path, table.getvalue())

    def with_rows(self, store: Store, rows: Iterable[int]) -> "Fitted":
        """These images and those of some rows."""
        return Fitted(self.images | {_image(store, row) for row in rows})

    def rows(self, store: Store) -> set[int]:
        """The rows of a dataset that are among these images.

        A row is if its key and pixels are those of an image. An image without such a row may be of
        another dataset, or have been renamed: then every row with its pixels is.
        """
        names = {(split, patient_class, name) for split, patient_class, name, _ in self.images}
        named = (number for key, number in store.index.numbers().items() if key in names)
        same = {image: row for row in named if (image := _image(store, row)) in self.images}
        elsewhere = {content for *_, content in self.images - same.keys()}
        rows = set(same.values())
        if elsewhere:
            every = range(len(store.index.rows))
            rows |= {row for row in every if _content(store, row) in elsewhere}
        return rows


def _image(store: Store, row: int) -> Image:
    return *store.index.rows[row].key, _content(store, row)


def _content(store: Store, row: int) -> str:
    pixels = store.images[row]
    return blake2b(f"{pixels.shape}".encode() + pixels.tobytes(), digest_size=16).hexdigest()


_WHOLE = "copy the whole run folder again"
