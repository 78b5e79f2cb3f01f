"""A pattern with braces means what was typed, without the quotes that Hydra asks for."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.run.override import for_hydra, readable


def value(override: str) -> object:
    return OverridesParser.create().parse_override(for_hydra(override)).value()


@pytest.mark.parametrize("key", ["data.images", "data.masks.infection", "+data.masks.heart"])
@pytest.mark.parametrize(
    "text",
    [
        "images/{name}.png",
        "{name}",
        "**/{split} Set/Images/{name}.png",
        "{patient}_{patient_class}.*",
        "a (1)/{name}, left.png",
        "a=b/{name}:1#2~3$4%5&6.png",
        "Bilder/{name}_ä€😀.png",
        "\\\\server\\images\\{name}.png",
        "[first] {name}.png",
        "{nam}.png",
    ],
)
def test_a_pattern_means_the_text_as_typed(key, text):
    assert not readable(f"{key}={text}")
    assert value(f"{key}={text}") == text


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("[left/{name}.png,right/{name}.png]", ["left/{name}.png", "right/{name}.png"]),
        ("[left/{name}.png, right/{name} 2.png ]", ["left/{name}.png", "right/{name} 2.png"]),
        ("[{name}.png]", ["{name}.png"]),
    ],
)
def test_several_patterns_are_a_list(text, patterns):
    assert value(f"data.masks.lung={text}") == patterns


FIELD = st.sampled_from(["{name}", "{split}", "{patient}", "{patient_class}"])
# without quotes of the user's own, and without spaces at the ends, which no shell hands over
TEXT = st.text(st.characters(exclude_characters="\"'{}", exclude_categories=["Cs", "Cc"]))
AROUND = st.text("ab/*._- \\=,:()[]+~$&#%", max_size=6)


@settings(max_examples=60, deadline=None)
@given(TEXT | AROUND, FIELD, TEXT | AROUND)
def test_any_pattern_with_a_field_means_the_text_as_typed(before, field, after):
    text = f"{before}{field}{after}"
    if not (text.startswith("[") and text.endswith("]")):
        assert value(f"data.images={text}") == text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text("ab/*._-\\", max_size=4), FIELD), min_size=1, max_size=3))
def test_any_list_of_patterns_has_every_one_of_them(parts):
    patterns = [f"{folder}{field}.png" for folder, field in parts]
    assert value(f"data.masks.lung=[{','.join(patterns)}]") == patterns


@pytest.mark.parametrize(
    "override",
    [
        *("data.images=images/*.png", "data.images=null", "data=folder", "data.root={name}"),
        *("data.images='{name}.png'", 'data.images="{name}.png"', "data.masks.lung=null"),
        *("data.masks.lung=['left/{name}.png','right/{name}.png']", "data.masks={lung:masks/*}"),
        *(
            "data.phantom.n_images={Train:8}",
            "model.images={name}.png",
            "--help",
            "",
            "data.images",
        ),
    ],
)
def test_another_override_stays_as_it_is(override):
    assert for_hydra(override) == override


@settings(max_examples=60, deadline=None)
@given(TEXT | AROUND, FIELD, TEXT | AROUND)
def test_quotes_are_given_once(before, field, after):
    once = for_hydra(f"data.images={before}{field}{after}")
    assert for_hydra(once) == once
