"""An override as Hydra reads it."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from covseg.config.quotes import in_quotes


@given(text=st.text() | st.text(alphabet="\\\"' a"))
def test_what_is_quoted_for_the_user_is_read_back_as_it_was(text: str) -> None:
    assert OverridesParser.create().parse_override(f"name={in_quotes(text)}").value() == text
