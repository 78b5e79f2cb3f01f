"""The tags of a page of covseg, for tests of any page."""

import re
from html.parser import HTMLParser
from pathlib import Path

EMPTY = {"meta", "link", "img", "br", "rect", "use", "path", "image"}


class Page(HTMLParser):
    """The tags of a page; a tag that is closed and was not opened is an error."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text()
        self.open: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(self.html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        if tag not in EMPTY:
            self.open.append(tag)
        for name, value in attributes:
            if name in {"src", "href", "xlink:href", "data", "srcset", "action", "poster"}:
                self.addresses.append((tag, value))
            if name == "id":
                self.ids.append(value)
            if tag == "img" and name == "alt":
                assert value
            assert name != "loading"  # a picture that waits to be scrolled to is not printed

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))
