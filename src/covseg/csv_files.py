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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # a spreadsheet adds a mark
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(path, f"cannot be read ({reason})", remedy) from error
    if rows[:1] != [list(columns)] or any(len(row) != len(columns) for row in rows):
        raise RunError(path, f"has other columns than {','.join(columns)}", remedy)
    return rows[1:]


def read_columns(path: Path) -> Columns:
    """The columns of a table by their names; none where there is no file."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}
