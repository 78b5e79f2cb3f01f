"""Which images weights have been fitted on: ``fitted.csv`` of a run folder.

It names the images of the run and those of every run that its weights come from, so that no chain
of runs has to be followed, and the earlier runs may be deleted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from covseg.csv_files import read_csv, write_csv
from covseg.data.store import Store
from covseg.errors import RunError

_COLUMNS = ("split", "class", "name", "content")
_AGAIN = "copy the whole run folder again"
Image = tuple[str, ...]  # the columns


@dataclass(frozen=True)
class Fitted:
    """Images by split, class, name, and a hash of their pixels."""

    images: frozenset[Image] = frozenset()

    @classmethod
    def read(cls, path: Path) -> "Fitted":
        """Read a file of ``write``.

        Raises:
            RunError: the file is missing, damaged or truncated.
        """
        rows = read_csv(path, _COLUMNS, f"{_AGAIN}; if an older covseg made it, train it again")
        if not rows or rows.pop() != list(_last_row(len(rows))):
            raise RunError(path, "is truncated, or rows of it are missing", _AGAIN)
        return cls(frozenset(map(tuple, rows)))

    def write(self, path: Path) -> None:
        """Write ``fitted.csv``.

        Raises:
            RunError: it cannot be written.
        """
        write_csv(path, _COLUMNS, [*sorted(self.images), _last_row(len(self.images))])

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


def _last_row(n_images: int) -> Image:
    """The row that tells a complete file from a truncated one."""
    return "total", "", "", str(n_images)


def _image(store: Store, row: int) -> Image:
    return *store.index.rows[row].key, _content(store, row)


def _content(store: Store, row: int) -> str:
    pixels = store.images[row]
    return blake2b(f"{pixels.shape}".encode() + pixels.tobytes(), digest_size=16).hexdigest()
