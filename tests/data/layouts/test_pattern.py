"""A pattern finds the files that it describes, and no others."""

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.layouts.pattern import Pattern, SortedFiles
from covseg.errors import ConfigError

WORD = st.text("ab01_-. é", min_size=1, max_size=6)


def fields(text: str, path: str) -> dict[str, str] | None:
    return Pattern("data.images", text).fields(path)


def test_the_name_is_the_stem_unless_the_pattern_has_one():
    assert fields("images/*", "images/chest_1.png") == {"name": "chest_1"}
    assert fields("images/*", "images/a/chest_1.png") is None
    assert fields("**/{name}.png", "a/b/chest_1.png") == {"name": "chest_1"}
    assert fields("{patient}/{name}/cxr.png", "p1/day2/cxr.png") == {
        "patient": "p1",
        "name": "day2",
    }


def test_fields_within_a_name():
    text = "**/CXR_png/{patient}_{patient_class}.png"
    found = fields(text, "MontgomerySet/CXR_png/MCUCXR_0001_0.png")
    assert found == {"name": "MCUCXR_0001_0", "patient": "MCUCXR_0001", "patient_class": "0"}


@settings(max_examples=200)
@given(split=WORD, name=WORD)
def test_what_was_put_into_the_fields_is_found_again(split, name):
    text = "{split} Set/Images/{name}.png"
    found = fields(text, text.format(split=split, name=name))
    assert found == {"split": split, "name": name}


MASKS = SortedFiles(["masks/c_1.png", "masks/c_10.png", "masks/c_1_mask.png", "masks/xc_1.png"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("masks/{name}.png", ["masks/c_1.png"]),
        ("masks/{name}*", ["masks/c_1.png", "masks/c_1_mask.png"]),  # never c_10
        ("masks/*{name}.png", ["masks/c_1.png"]),  # never xc_1
        ("masks/{name}_*.png", ["masks/c_1_mask.png"]),
        ("**/{name}_mask.png", ["masks/c_1_mask.png"]),
        ("other/{name}*", []),
    ],
)
def test_masks_of_a_name(text, expected):
    assert Pattern("data.masks.lung", text).find(MASKS, {"name": "c_1"}) == expected


@settings(max_examples=200)
@given(
    paths=st.lists(st.from_regex(r"[ab]{1,2}/[ab1]{1,3}\.png", fullmatch=True), unique=True),
    start=st.text("ab/", max_size=3),
    name=st.text("ab1", max_size=3),
    end=st.text("1b.png", max_size=5),
)
def test_no_file_with_these_beginnings_and_end_is_missed(paths, start, name, end):
    candidates = SortedFiles(paths).candidates(start, name, end)
    expected = {
        path
        for path in paths
        if fnmatchcase(path, f"{start}*{end}") and path.split("/")[1].startswith(name)
    }
    assert expected <= set(candidates) <= set(paths)
    assert candidates == sorted(candidates)


@given(name=st.text("ab.*[(+é", min_size=1, max_size=5))
def test_signs_of_regular_expressions_mean_themselves(name):
    file = f"masks/{name}.png"
    assert Pattern("data.masks.lung", "masks/{name}.png").find(
        SortedFiles([file, "masks/other.png"]), {"name": name}
    ) == [file]
    assert re.escape(name)


def test_a_field_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match=r"has the field \{class\}.*choose from"):
        Pattern("data.images", "{class}/*.png")
