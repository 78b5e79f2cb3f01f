"""``predictions.csv``: one row per image and target, written while predicting."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from covseg.csv_files import write_csv
from covseg.errors import RunError

COLUMNS = (
    *("input", "target", "result", "width", "height", "infected", "pixels", "share"),
    *("share_of_lung", "n_regions", "largest_region", "mean_probability", "warning", "error"),
)


class PredictionTable:
    """Rows are added to the file at once, so that a killed command has lost at most a batch.

    Args:
        path: of the file.
        goes_on: whether it may exist; only its whole rows without an error stay.

    Raises:
        RunError: it exists and must not, or cannot be written.
    """

    def __init__(self, path: Path, goes_on: bool) -> None:
        self.path = path
        if path.exists() and not goes_on:
            raise RunError(
                path, "exists already", "set skip_existing=true to go on, or another output="
            )
        rows = _whole_rows(path) if path.exists() else []
        write_csv(path, COLUMNS, rows)

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, which have some of the columns.

        Raises:
            RunError: the file cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, COLUMNS).writerows(rows)
        except OSError as error:
            cause = f"cannot be written ({error.strerror})"
            raise RunError(self.path, cause, "make room there") from error


def results_in(path: Path) -> dict[str, str]:
    """The inputs in a table, with what their results begin with; none where there is no file."""
    rows = _whole_rows(path) if path.exists() else []
    place, target = (COLUMNS.index(name) for name in ("result", "target"))
    several = len({row[target] for row in rows}) > 1
    return {
        row[0]: row[place].removesuffix(f"_{row[target]}") if several else row[place]
        for row in rows
    }


def _whole_rows(path: Path) -> list[list[str]]:
    """The rows without an error; the last one may have been cut."""
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    lines = text[: text.rfind("\n") + 1].splitlines(keepends=True)
    rows = list(csv.reader(lines))[1:]
    return [row for row in rows if len(row) == len(COLUMNS) and not row[-1]]
