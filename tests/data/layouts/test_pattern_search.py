"""What a pattern finds is what a search that tries every text for every part of it finds."""

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from covseg.data.layouts.pattern import FIELDS, Pattern, SortedFiles

WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=5)
VALUE = st.text("ab1_*.{}é", min_size=1, max_size=5)
PLAIN = st.text("ab1_-. ()[]+^$|?", max_size=3)  # with what a regular expression would interpret
FOLDERS = st.sampled_from(["", "a/", "b 1/c/"])


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("images/*", "my images/a.png"),
        ("images/*.png", "images/a.png.txt"),
        ("images/*.png", "images/axpng"),
        ("{name}.png", "folder/a.png"),  # a field is no folder
        ("{name}.png", ".png"),
        ("{patient}/{patient}_{name}.png", "p1/p2_2.png"),
        ("**/images/*", "other_images/a.png"),
        ("Images/*", "images/a.png"),
    ],
)
def test_another_path_does_not_match(text, path):
    assert Pattern("data.images", text).fields(path) is None


@st.composite
def patterns(draw: st.DrawFn) -> list[str]:
    """The parts of a pattern: plain texts, fields, stars and folders."""
    part = st.sampled_from([*(f"{{{field}}}" for field in FIELDS), "*", "**/", "/"]) | PLAIN
    parts = [part for part in draw(st.lists(part, min_size=1, max_size=7)) if part]
    # `**` and `*` one after the other would be read as another pattern than these parts
    return [p for n, p in enumerate(parts) if not (p.startswith("*") and parts[n - 1 : n] == ["*"])]


def matches(
    parts: list[str], path: str, fields: dict[str, str], before: str = "", last: str = ""
) -> bool:
    """Whether a path has these parts, after a part that ended with a sign."""
    if not parts:
        return path == ""
    part, rest = parts[0], parts[1:]
    if part == "**/":
        ends = [n for n in range(2, len(path) + 1) if path[n - 1] == "/"]
        return matches(rest, path, fields, part, last) or any(
            matches(rest, path[end:], fields, part, "/") for end in ends
        )
    if part == "*":
        if before == "{name}" and path[:1].isalnum():
            return False
        for end in range(len(path.partition("/")[0]) + 1):
            sign = path[:end][-1:] or last
            longer = rest[:1] == ["{name}"] and sign.isalnum()
            if not longer and matches(rest, path[end:], fields, part, sign):
                return True
        return False
    text = fields.get(part[1:-1], part) if part.startswith("{") else part
    inside = path.startswith(text)
    return inside and matches(rest, path[len(text) :], fields, part, text[-1:])


FILLED = {
    "name": st.sampled_from(["a", "a1", "b_1", "a*"]),
    "split": st.sampled_from(["a", "Train"]),
    "patient_class": st.sampled_from(["1", "b"]),
    "patient": st.sampled_from(["a", "1"]),
}


@settings(deadline=None)
@given(
    patterns(),
    st.fixed_dictionaries(FILLED),
    st.lists(st.text("ab1_-./", min_size=1, max_size=8), max_size=12),
)
def test_what_is_found_is_what_a_search_of_every_path_finds(parts, fields, others):
    text = "".join(parts)
    assume(not text.startswith(("/", "./")))  # refused, and left out
    some = "".join(fields.get(p[1:-1], "") if p[0] == "{" else p.replace("*", "") for p in parts)
    paths = {*others, some, text}
    expected = sorted(path for path in paths if matches(parts, path, fields))
    assert Pattern("data.masks.lung", text).find(SortedFiles(paths), fields) == expected


@given(
    st.permutations([*FIELDS]),
    st.sampled_from(["_", "-", "/", " Set/", "_x_"]),
    st.fixed_dictionaries({field: WORD.filter(lambda word: "x" not in word) for field in FIELDS}),
    FOLDERS,
    st.sampled_from(["", "_mask", "-1"]),
)
def test_a_path_made_of_all_fields_gives_them_back(order, between, values, folders, more):
    parts = between.join(f"{{{field}}}" for field in order)
    path = folders + parts.format(**values) + more + ".png"
    pattern = Pattern("data.images", f"**/{parts}{more}.png")
    assert pattern.fields(path) == values
    assert pattern.find(SortedFiles([path, "other.png"]), values) == [path]


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUE)), FOLDERS)
def test_a_path_is_found_by_its_fields_whatever_signs_they_have(values, folders):
    path = folders + "{patient_class}/{split}-{patient}/{name}.png".format(**values)
    pattern = Pattern("data.images", "**/{patient_class}/{split}-{patient}/{name}.png")
    assert pattern.find(SortedFiles(["a.png", path]), values) == [path]


@given(WORD, st.text("_-. ", max_size=2), WORD)
def test_a_name_never_takes_the_files_of_a_name_that_it_begins(name, between, more):
    """``covid_1`` and ``covid_10``, with or without an ending."""
    files = SortedFiles([f"m/{name}{more}.png", f"m/{name}{more}{between}mask.png"])
    assert Pattern("data.masks.lung", "m/{name}*").find(files, {"name": name}) == []


def test_a_name_that_looks_like_a_field_is_a_name():
    fields = {"name": "{split}", "split": "Train"}
    files = SortedFiles(["Train.png", "{split}.png"])
    assert Pattern("data.masks.lung", "{name}.png").find(files, fields) == ["{split}.png"]
