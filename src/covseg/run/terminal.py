"""Standard output that never fails over a letter: a terminal may know ASCII alone."""

import codecs
import sys
import unicodedata

_NAME = "covseg.nearest"
_NEAREST = {"\u2193": "v", "\u2191": "^", "\u2013": "-", "\u2014": "-", "\u00d7": "x"}


def show_what_it_can() -> None:
    """Print the nearest letter, or a question mark, where the terminal has no such letter."""
    codecs.register_error(_NAME, _nearest)
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # not of every replacement of stdout
    if reconfigure is not None:
        reconfigure(errors=_NAME)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_NEAREST.get(sign) or _plain(sign) for sign in text), error.end


def _plain(sign: str) -> str:
    """A letter without its accent."""
    apart = unicodedata.normalize("NFKD", sign)
    return apart[0] if apart[0].isascii() and all(map(unicodedata.combining, apart[1:])) else "?"
