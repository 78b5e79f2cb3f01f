"""A table reads back as it was written, and any other file is refused by its name."""

import pytest

from covseg.csv_files import read_csv, write_csv
from covseg.errors import RunError

COLUMNS = ("a", "b")


def test_names_with_commas_and_quotes_come_back(tmp_path):
    rows = [['",\n', ""], ["ä", "1"]]
    write_csv(tmp_path / "x.csv", COLUMNS, rows)
    assert read_csv(tmp_path / "x.csv", COLUMNS, "") == rows


def test_a_mark_and_blank_lines_of_a_spreadsheet_are_skipped(tmp_path):
    (tmp_path / "x.csv").write_text("\ufeffa,b\n\n1,2\n\n", encoding="utf-8")
    assert read_csv(tmp_path / "x.csv", COLUMNS, "") == [["1", "2"]]


@pytest.mark.parametrize("text", ["", "a,b,c\n", "1,2\n", "a,b\n1\n", "a,b\n1,2,3\n", "\xff\xfe\0"])
def test_another_file_is_refused(text, tmp_path):
    (tmp_path / "x.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"x\.csv (has other columns than a,b|cannot be read)"):
        read_csv(tmp_path / "x.csv", COLUMNS, "copy it again")
