"""A table of images: a CSV file with one row per image, and paths relative to it.

Columns are ``image``, then any of ``name``, ``split`` (Train, Val or Test), ``patient`` and
``patient_class``, then one per target, such as ``infection`` or ``lung``. A mask in several files
is ``left.png|right.png``; an empty cell is no mask. Columns without any picture are ignored.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from posixpath import normpath

from covseg.config.data import COLUMNS, TARGET, Dataset
from covseg.csv_files import write_csv
from covseg.data.grey import ENDINGS
from covseg.data.index import UNCLASSED, UNDIVIDED, Key, paired_by_patient
from covseg.data.layouts.records import Record, listing_of
from covseg.data.listing import Listing
from covseg.data.source.file_names import stem
from covseg.data.source.folder import FolderSource
from covseg.data.source.source import existing
from covseg.errors import DataError, nearest

_PARTS = "|"  # between the files of one mask
_MEANT = {name.replace("_", ""): name for name in COLUMNS} | {"patientid": "patient"}
_HOW = "set data.root= to a CSV file with a column image"


def table(data: Dataset) -> Listing:
    """List the images of a table.

    Raises:
        DataError: the table cannot be read, or a row of it is wrong or names a file that is not
            there.
    """
    path = existing(data.root or "", _HOW)
    rows = _read(path)
    header = _header(rows[0][1], path)
    cells = [
        (where, dict(zip(header, map(str.strip, row), strict=True))) for where, row in rows[1:]
    ]
    targets = [name for name in header if _is_target(name, cells)]
    source = FolderSource(path, path.parent, cache_dir=data.cache_dir)
    records = [_record(where, row, targets) for where, row in cells]
    for record in records:
        for file in (record.image, *record.mask_files):
            if not _is_file(path.parent / file):
                cause, remedy = f"names {file}, which is not a file", "write / between folders"
                if "\\" not in file:
                    remedy = f"paths are relative to {path.parent}"
                raise DataError(record.where, cause, remedy)
    if not targets:
        raise DataError(
            path,
            "has no column with the paths of masks",
            "add one, named as its target: infection or lung, for example",
        )
    ignored = tuple(name for name in header if name not in {*COLUMNS, *targets})
    return replace(listing_of(records, targets, source, data), ignored_columns=ignored)


def _read(path: Path) -> list[tuple[str, list[str]]]:
    """The lines with their places; all have as many cells as the first."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet adds a mark
            lines = csv.reader(file, skipinitialspace=True)
            rows = [(f"{path}, line {lines.line_num}", row) for row in lines if any(row)]
    except UnicodeDecodeError as error:
        cause = f"is not UTF-8 ({error.reason})"
        raise DataError(path, cause, "save it as CSV UTF-8") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(path, f"cannot be read as a CSV file ({reason})", _HOW) from error
    if len(rows) < 2:
        raise DataError(path, "has no row below its header", _HOW)
    for where, row in rows[1:]:
        if len(row) != len(rows[0][1]):
            cause = f"has {len(row)} cells, and the header has {len(rows[0][1])}"
            raise DataError(where, cause, "put cells with a comma in them into quotes")
    return rows


def _header(names: list[str], path: Path) -> list[str]:
    header = [name.strip() for name in names]
    for name in header:
        meant = _MEANT.get(re.sub(r"[\W_]", "", name.lower()))
        if meant not in {None, name}:
            raise DataError(path, f"has a column {name}", f"rename it to {meant}")
    if "image" not in header:
        apart = any(sign in name for name in header for sign in ";\t")
        raise DataError(
            path,
            f"has no column image; its columns are {', '.join(header)}",
            "save it with commas between the cells" if apart else nearest("image", header),
        )
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise DataError(path, f"has two columns {twice}", "rename one of them")
    return header


def _is_target(name: str, cells: list[tuple[str, dict[str, str]]]) -> bool:
    """Whether a column has masks: the paths of pictures, or nothing.

    Raises:
        DataError: some cells are paths of pictures and others are something else.
    """
    if name in COLUMNS:
        return False
    filled = [(where, row[name]) for where, row in cells if row[name]]
    others = [(where, cell) for where, cell in filled if not all(map(_is_path, _files(cell)))]
    if filled and not others and not re.fullmatch(TARGET, name):
        raise DataError(
            filled[0][0],
            f"has a mask in the column {name}, which cannot be the name of a target",
            "rename it to a word, such as lung",
        )
    if not others:
        return bool(filled)
    if len(others) < len(filled):
        where, cell = others[0]
        cause = f"has {cell} in the column {name}, which is not the path of a picture"
        raise DataError(where, cause, "leave the cell empty if there is no mask")
    return False


def _files(cell: str) -> tuple[str, ...]:
    return tuple(normpath(part.strip()) for part in cell.split(_PARTS))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long a name, or a folder that cannot be entered
        return False


def _is_path(cell: str) -> bool:
    return PurePosixPath(cell).suffix.lower() in ENDINGS


def _record(where: str, row: dict[str, str], targets: list[str]) -> Record:
    image = row["image"]
    if not image:
        raise DataError(where, "names no image", "fill the column image, or remove the line")
    name, split, patient, patient_class = (row.get(column, "") for column in COLUMNS[1:])
    return Record(
        where=where,
        image=normpath(image),
        name=name or stem(image.replace("\\", "/")),
        split=split,
        patient_class=patient_class,
        patient=patient,
        masks={target: _files(row[target]) for target in targets if row[target]},
    )


def write_table(listing: Listing, path: Path) -> None:
    """Write a listing as a table; the paths in an archive lead nowhere.

    Raises:
        RunError: it cannot be written.
    """
    write_csv(path, [*COLUMNS, *listing.index.targets], _lines(listing))


def _lines(listing: Listing) -> Iterator[list[str]]:
    folder = listing.source.base if isinstance(listing.source, FolderSource) else Path()
    for row in listing.index.rows:
        masks = (row.masks.get(target, ()) for target in listing.index.targets)
        yield [
            str(folder / row.image),
            row.name,
            "" if row.split == UNDIVIDED else row.split,
            row.patient or "",
            "" if row.patient_class == UNCLASSED else row.patient_class,
            *(_PARTS.join(str(folder / file) for file in of) for of in masks),
        ]


def same_patients(path: Path) -> list[tuple[Key, Key]]:
    """Each image of a patient with the first one, in a table of ``write_table``.

    Raises:
        DataError: the file cannot be read.
    """
    (_, header), *lines = _read(path)
    rows = (dict(zip(header, line, strict=True)) for _, line in lines)
    images = (
        (
            row["patient"],
            (row["split"] or UNDIVIDED, row["patient_class"] or UNCLASSED, row["name"]),
        )
        for row in rows
    )
    return list(paired_by_patient(images))
