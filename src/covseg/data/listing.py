"""A dataset that is listed and not decoded: its files, its table, and the rules of its pixels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from covseg.data.index import Index, Key
from covseg.data.reading import Reading
from covseg.data.source.source import Source
from covseg.errors import DataError, nearest, setting


@dataclass(frozen=True)
class Missing:
    """A file that is not there: an image without this mask, or a mask without its image."""

    key: Key
    kind: str  # image, or a target
    error: DataError  # if the file is needed


@dataclass(frozen=True)
class Listing:
    """What a layout makes of the files on disk.

    Attributes:
        source: the files.
        index: every image that has its file, and a mask of the lesion in COVID-QU-Ex.
        reading: how files become pixels.
        missing: what is incomplete, in the order of the index.
        ignored: pictures that belong to no row.
        unmatched: masks that belong to no row, by the patterns of masks.
        ignored_columns: of a table.
        n_dropped: images that are left out, because they lack a mask.
    """

    source: Source
    index: Index
    reading: Reading
    missing: tuple[Missing, ...] = ()
    ignored: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    n_dropped: int = 0

    def check(self, targets: Sequence[str]) -> None:
        """Refuse data in which a file is missing that these targets need.

        Raises:
            DataError: names the file, or a target without any mask.
        """
        if unknown := [target for target in targets if target not in self.index.targets]:
            raise DataError(
                setting("data.targets", list(targets)),
                f"names {unknown[0]}, of which {self.source.path} has no masks",
                nearest(unknown[0], self.index.targets),
            )
        needed = {"image", self.index.tree, *targets}
        for missing in self.missing:
            if missing.kind in needed:
                raise missing.error

    def without(self, keys: Collection[Key]) -> "Listing":
        """This listing, less some images."""
        rows = tuple(row for row in self.index.rows if row.key not in keys)
        return replace(self, index=replace(self.index, rows=rows))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content: the same for an archive and for the folder it was unpacked to."""
        digest = sha256(self.index.tree.encode())
        crcs = self.source.crcs([path for row in self.index.rows for _, path in row.files])
        for row in self.index.rows:
            for kind, path in row.files:
                line = f"{row.split}/{row.patient_class}/{kind}/{row.name}"
                digest.update(f"{line} {crcs[path]:08x}\n".encode())
        if not self.index.tree:  # what there are masks of, and the rules of their pixels
            digest.update(f"{','.join(self.index.targets)} {self.reading.key}".encode())
        return digest.hexdigest()
