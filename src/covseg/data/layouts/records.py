"""Images as they stand in a table, before they are rows of the index."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from covseg.config.data import SPLITS, Dataset
from covseg.data.index import LUNG, UNCLASSED, UNDIVIDED, Index, Row
from covseg.data.listing import Listing, Missing
from covseg.data.reading import Reading
from covseg.data.source.source import Source
from covseg.errors import ConfigError, DataError, nearest, setting

_SPLITS = {
    "train": "Train",
    "training": "Train",
    "val": "Val",
    "valid": "Val",
    "validation": "Val",
    "test": "Test",
    "testing": "Test",
}


@dataclass(frozen=True)
class Record:
    """One image; what is unknown is empty.

    Attributes:
        where: the line of a table or the file, for error messages.
        masks: paths by target; none where there is no file.
    """

    where: str
    image: str
    name: str
    split: str
    patient_class: str
    patient: str
    masks: dict[str, tuple[str, ...]]

    @property
    def mask_files(self) -> Iterator[str]:
        """The paths of all masks."""
        return (path for paths in self.masks.values() for path in paths)


def listing_of(
    records: Sequence[Record],
    targets: Sequence[str],
    source: Source,
    data: Dataset,
) -> Listing:
    """Check the records, and make the listing of them.

    Args:
        records: of all images.
        targets: what there are masks of.
        source: of the files.
        data: the configuration.

    Raises:
        ConfigError: ``data.mask_values`` names no target.
        DataError: names the record, and what is wrong with it.
    """
    _check(records, targets, source, data)
    rows = _rows(records, targets, data)
    if not rows:
        dropping = [target for target in targets if data.policy(target) == "drop"]
        raise DataError(
            source.path,
            f"has no image with a mask of {' and '.join(dropping)}",
            "set data.without_mask=refuse to see which are missing",
        )
    reading = Reading(
        mask_values={target: tuple(of) for target, of in data.mask_values.items()},
        mask_threshold=data.mask_threshold,
        store_size=data.store_size,
    )
    index = Index(tuple(sorted(rows.values(), key=lambda row: row.key)), tuple(targets))
    missing = tuple(_missing(rows, targets))
    return Listing(source, index, reading, missing, n_dropped=len(records) - len(rows))


def _check(
    records: Sequence[Record], targets: Sequence[str], source: Source, data: Dataset
) -> None:
    for column in ("split", "patient_class", "patient"):
        _check_whole(records, column)
    _check_distinct(records, "image", lambda record: record.image)
    _check_masks(records, targets)
    if unknown := data.mask_values.keys() - {*targets}:
        raise ConfigError(
            setting("data.mask_values", data.mask_values),
            f"names {min(unknown)}, of which {source.path} has no masks",
            nearest(min(unknown), targets),
        )


def _rows(records: Sequence[Record], targets: Sequence[str], data: Dataset) -> dict[str, Row]:
    """The rows that ``data.without_mask`` leaves, by the places of their records."""
    empty = {target: () for target in targets if data.policy(target) == "empty"}
    needed = {target for target in targets if data.policy(target) == "drop"}
    rows = {record.where: _row(record, data.classes, empty) for record in records}
    _check_distinct(records, "name", lambda record: "/".join(rows[record.where].key))
    return {where: row for where, row in rows.items() if row.masks.keys() >= needed}


def _missing(rows: Mapping[str, Row], targets: Sequence[str]) -> Iterator[Missing]:
    for where, row in sorted(rows.items(), key=lambda item: item[1].key):
        yield from (
            Missing(row.key, target, _without(where, target))
            for target in targets
            if target not in row.masks
        )


def _row(record: Record, classes: Mapping[str, str], empty: Mapping[str, tuple[str, ...]]) -> Row:
    split = _SPLITS.get(record.split.strip().lower(), "")
    if record.split and not split:
        raise DataError(
            record.where,
            f"has the split {record.split}, which covseg does not know",
            nearest(record.split, SPLITS),
        )
    return Row(
        split or UNDIVIDED,
        classes.get(record.patient_class, record.patient_class) or UNCLASSED,
        record.name,
        record.image,
        {**empty, **record.masks},
        record.patient or None,
    )


def _without(where: str, target: str) -> DataError:
    return DataError(
        where,
        f"has no mask of {target}",
        f"add it, or set data.without_mask={{{target}:drop}} to leave such images out"
        + f", or {{{target}:empty}} if it means that there is no {target}" * (target != LUNG),
    )


def _check_whole(records: Sequence[Record], column: str) -> None:
    """Refuse a column that some records have and others do not."""
    without = [record for record in records if not getattr(record, column)]
    if without and len(without) < len(records):
        raise DataError(
            without[0].where,
            f"has no {column}, and others have one",
            f"give every image a {column}, or none",
        )


def _check_masks(records: Sequence[Record], targets: Sequence[str]) -> None:
    """Refuse a file that is the mask of two images, or twice a part of one."""
    for target in targets:
        seen: dict[str, str] = {}
        for record in records:
            for path in record.masks.get(target, ()):
                if path in seen:
                    raise DataError(
                        record.where,
                        f"has the mask of {seen[path]} ({path})",
                        "give each image its own mask (a pattern may need an ending, as in "
                        "masks/{name}.png)",
                    )
                seen[path] = record.where


def _check_distinct(
    records: Sequence[Record], what: str, value_of: Callable[[Record], str]
) -> None:
    seen: dict[str, str] = {}
    for record in records:
        value = value_of(record)
        if value in seen:
            raise DataError(
                record.where,
                f"has the {what} of {seen[value]} ({value})",
                "give each image a name of its own: the column name, or {name} in data.images"
                if what == "name"
                else "name each image once",
            )
        seen[value] = record.where
