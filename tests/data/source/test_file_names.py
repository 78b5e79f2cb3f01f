"""Which files are pictures by their names alone."""

import pytest

from covseg.data.source.file_names import is_picture


@pytest.mark.parametrize(
    "path", ["a/._1.png", "__MACOSX/a/1.png", "a/.DS_Store", "Thumbs.db", "rows.csv", "a/1.xlsx"]
)
def test_what_is_no_picture(path):
    assert not is_picture(path)


@pytest.mark.parametrize(
    "path", ["1.png", "a/1.PNG", "a/1.jpg", "1.tiff", "1.dcm", "a/IM0001", "1.2.840.10008.5"]
)
def test_what_may_be_a_picture(path):
    assert is_picture(path)
