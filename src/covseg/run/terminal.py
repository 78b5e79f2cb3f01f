"""Standard output that never fails over a character: a terminal may know ASCII alone."""

import codecs
import sys
import unicodedata

_NAME = "covseg.nearest"
_NEAREST = {"\u2193": "v", "\u2191": "^", "\u2013": "-", "\u2014": "-", "\u00d7": "x"}


def replace_unprintable() -> None:
    """Print the nearest character, or a question mark, where the encoding lacks one."""
    codecs.register_error(_NAME, _nearest)
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a replacement of stdout may lack it
    if reconfigure is not None:
        reconfigure(errors=_NAME)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_NEAREST.get(sign) or _without_accent(sign) for sign in text), error.end


def _without_accent(sign: str) -> str:
    apart = unicodedata.normalize("NFKD", sign)
    return apart[0] if apart[0].isascii() and all(map(unicodedata.combining, apart[1:])) else "?"
