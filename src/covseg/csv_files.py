"""CSV files with one line of column names, as covseg writes them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from covseg.errors import RunError
from covseg.files import write_whole

Columns = Mapping[str, Sequence[str]]  # name -> values


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table atomically.

    Raises:
        RunError: it cannot be written.
    """
    table = io.StringIO(newline="")
    csv.writer(table).writerows([columns, *rows])
    write_whole(path, table.getvalue())


def read_csv(path: Path, columns: Sequence[str], remedy: str) -> list[list[str]]:
    """The rows of a table with exactly these columns; blank lines are skipped.

    Raises:
        RunError: the file is missing or damaged, or a row has other columns.
    """
    rows = _rows(path, remedy)
    if rows[:1] != [list(columns)] or any(len(row) != len(columns) for row in rows):
        raise RunError(path, f"has other columns than {','.join(columns)}", remedy)
    return rows[1:]


def read_columns(path: Path, remedy: str) -> Columns:
    """The columns of a table by their names; none where there is no file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.exists():
        return {}
    rows = _rows(path, remedy) or [[]]
    if any(len(row) != len(rows[0]) for row in rows):
        raise RunError(path, "has rows of different lengths", remedy)
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}


def _rows(path: Path, remedy: str) -> list[list[str]]:
    """All rows without blank lines.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet adds a mark
            return [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(path, f"cannot be read ({reason})", remedy) from error
