"""Pages in the Chromium of this system, driven by Playwright."""

import shutil
from pathlib import Path
from typing import Any

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")

_BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
_WIDE = """[...document.querySelectorAll('main *, header *')].filter(
    e => !e.closest('.scroll, pre, .alone, .names')
        && e.getBoundingClientRect().right > innerWidth + 1
).map(e => e.outerHTML.slice(0, 80))"""


def look(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """Open a page without a network.

    Returns:
        the page, and a list of what it complains of and asks for, from now on.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page, events = context.new_page(), []
    page.on("console", lambda message: events.append(message.text))
    page.on("pageerror", lambda error: events.append(str(error)))
    page.on("dialog", lambda dialog: (events.append(dialog.message), dialog.dismiss()))
    page.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else events.append(r.url),
    )
    page.goto(path.as_uri())
    return page, events


def faults(page: Any) -> list[str]:
    """Pictures that are not shown, and elements that are cut off at the right."""
    return [*page.evaluate(_BROKEN), *page.evaluate(_WIDE)]
