"""Jinja for a page: its own templates, and those that all pages share."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def environment(page: str) -> Environment:
    """The environment of a page; an undefined name in a template is an error.

    Args:
        page: the package of its templates, e.g. ``covseg.report.exploration``.
    """
    own, shared = PackageLoader(page), PackageLoader("covseg.report.html")
    made = Environment(
        loader=ChoiceLoader([own, shared]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": lambda number: f"{number:,}", "percent": percent}
    return made


def percent(share: float) -> str:
    """A share with one digit after the point."""
    return f"{share:.1%}".replace("%", " %")
