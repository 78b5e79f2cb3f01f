"""A configuration from elsewhere is read as Hydra reads it, or refused by file and line."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from covseg.errors import ConfigError
from covseg.run.folder.yaml_file import dump_yaml, read_yaml

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


def read(content: bytes | str) -> dict[Any, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_yaml(path)


@given(trees)
def test_what_is_written_comes_back(tree):
    assert read(dump_yaml(tree)) == tree


@given(st.from_regex(r"[-+]?[0-9_]{1,3}(\.[0-9_]{0,2})?([eE][-+]?[0-9]{1,2})?", fullmatch=True))
def test_a_number_is_what_it_is_to_hydra(text):
    expected = OmegaConf.create(f"a: {text}").a
    found = read(f"a: {text}")["a"]
    assert (type(found), found) == (type(expected), expected)


@given(st.binary(min_size=1, max_size=60) | st.text("ab:-[]{}&*!?#|>%@`'\" \n\t,", min_size=1))
def test_anything_is_read_as_hydra_reads_it_or_refused(content):
    try:
        values = read(content)
    except ConfigError:
        return
    text = content if isinstance(content, str) else content.decode()
    assert values == OmegaConf.to_container(OmegaConf.create(text))


def test_a_date_is_a_word_as_it_is_to_hydra():
    assert read("name: 2026-01-31\n") == {"name": "2026-01-31"}


REFUSED = {
    "a: 1\nb: 2\na: 3\n": "line 3, is not YAML (found duplicate key a)",
    "a: {b: 1}\nc:\n  - d: 1\n    d: 2\n": "line 4, is not YAML (found duplicate key d)",
    "?\n: 2\n": "is not YAML (",
    "a: 1\n? [b]\n: 2\n": "line 2, is not YAML (",
    "a: *b\n": "line 1, has an alias",
    "a: &a [1]\nb: *a\n": "line 2, has an alias",
    "a: &a\n  b: {c: *a}\n": "line 2, has an alias",
    "a: &x {b: 1}\nd: {<<: *x}\n": "line 2, has an alias",
    "a: !mine 1\n": "line 1, is not YAML (could not determine a constructor for the tag",
    "a: !!python/object/apply:os.system [ls]\n": "line 1, is not YAML (could not determine a con",
    "a: !!int b\n": "is not YAML (invalid literal for int()",
    "a: 1\n---\nb: 2\n": "line 2, is not YAML (but found another document)",
    "a: " + "[" * 3000 + "]" * 3000: "is not YAML (nested too deep",
    "a: " + "b" * 100_000: "is larger than 100 kB",
    "- a\n": "is not a mapping",
    "  \n\n": "is not a mapping",
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
