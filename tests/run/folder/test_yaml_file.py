"""YAML of strangers: read as PyYAML reads it, or refused by file and line."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from covseg.errors import ConfigError
from covseg.run.folder.yaml_file import YamlFile, dumped

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
trees = st.dictionaries(
    words,
    st.recursive(
        plain,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(words, below, max_size=3),
        max_leaves=20,
    ),
    min_size=1,
    max_size=4,
)


def read(content: bytes | str) -> YamlFile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return YamlFile.read(path)


@given(trees)
def test_what_is_written_comes_back(tree):
    assert read(dumped(tree)).values == tree


@given(st.from_regex(r"[-+]?[0-9_]{1,3}(\.[0-9_]{0,2})?([eE][-+]?[0-9]{1,2})?", fullmatch=True))
def test_a_number_is_what_it_is_to_hydra(text):
    expected = OmegaConf.create(f"a: {text}").a
    found = read(f"a: {text}").values["a"]
    assert (type(found), found) == (type(expected), expected)


@given(st.binary(min_size=1, max_size=60) | st.text("ab:-[]{}&*!?#|>%@`'\" \n\t,", min_size=1))
def test_anything_is_read_as_pyyaml_reads_it_or_refused(content):
    try:
        found = read(content)
    except ConfigError:
        return
    expected = yaml.safe_load(content if isinstance(content, str) else content.decode())
    assert found.values == ({} if expected is None else expected)


SAME = {
    "aliases": "a: &x {b: 1, c: [2]}\nd: *x\ne: [*x, *x]\n",
    "merge keys": "a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n",
    "numbers": "a: 0x1f\nb: 1_000\nc: .inf\nd: 017\ne: 1:30\n",
    "words of many lines": "a: |\n  b\n  c\nd: >\n  e\n  f\n",
    "keys that are no words": "1: a\ntrue: b\n2.5: c\n",
    "a mark of the byte order": "\ufeffa: 1\n",
    "comments only": "# nothing\n",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_plain_yaml_means_what_it_means_to_pyyaml(text):
    assert read(text).values == (yaml.safe_load(text) or {})


def test_a_date_is_a_word_as_it_is_to_hydra():
    assert read("name: 2026-01-31\n").values == {"name": "2026-01-31"}


def nested(levels: int) -> str:
    return "a: " + "[" * levels + "]" * levels


REFUSED = {
    "a: 1\nb: 2\na: 3\n": "line 3, sets a again, after line 1",
    "a: {b: 1}\nc:\n  - d: 1\n    d: 2\n": "line 4, sets d again, after line 3",
    "a: 1\n'a': 2\n": "line 2, sets a again, after line 1",
    "{<<: {a: 1}, a: 2, a: 3}": "line 1, sets a again, after line 1",
    "?\n: 2\n": "line 1, has a value without a key",
    "a: 1\n? [b]\n: 2\n": "line 2, is not YAML (found unhashable key)",
    "a: *b\n": "line 1, is not YAML (found undefined alias 'b')",
    "a: !mine 1\n": "line 1, has the tag !mine, and only plain values are read",
    "a: !!binary aGk=\n": "line 1, has the tag !!binary, and only plain values are read",
    "a: !!int b\n": "is not YAML (invalid literal for int()",
    "a: 1\n---\nb: 2\n": "line 2, is not YAML (but found another document)",
    "a: &a\n  b: {c: *a}\n": "line 1, contains itself through its alias",
    nested(31): "line 1, is nested more than 30 levels deep",
    "just words": "is a single value",
    "  \n\n": "is empty",
    "a: \x07\n": "is not YAML (",
}


@pytest.mark.parametrize(("text", "cause"), REFUSED.items(), ids=lambda text: text[:20])
def test_what_is_refused_is_named_with_its_line(text, cause):
    with pytest.raises(ConfigError) as error:
        read(text)
    where, what, remedy = map(str, error.value.args)
    assert f"{where} {what}".split("a.yaml", 1)[1].lstrip(", ").startswith(cause)
    assert remedy
    assert "\n" not in str(error.value)


def test_many_values_are_read_and_too_many_are_not():
    row = "a: &a [" + "0," * 97 + "]\n"  # with its key and itself 99 values
    assert len(read(row + "b: [" + "*a," * 90 + "]\n").values["b"]) == 90
    with pytest.raises(ConfigError, match=r"line 2, stands for more than 10,000 values"):
        read(row + "b: [" + "*a," * 110 + "]\n")


def test_a_key_is_found_by_its_line():
    file = read("# a comment\na:\n  b: 1\n  c:\n  - d\n  - {e: 2}\n")
    lines = {
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "c", "1"): 6,
        ("a", "c", "1", "e"): 6,
        ("a", "c", "2"): None,
        ("a", "f"): None,
        ("a", "b", "inside"): 3,  # of an interpolation
        ("g",): None,
    }
    assert {key: file.line_of(key) for key in lines} == lines
