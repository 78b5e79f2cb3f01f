"""The Jinja environment of a page: its own templates and the shared ones."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def environment(page: str) -> Environment:
    """Create the environment for a package such as ``covseg.report.exploration``.

    An undefined name in a template is an error.
    """
    jinja = Environment(
        loader=ChoiceLoader([PackageLoader(page), PackageLoader("covseg.report.html")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"count": lambda number: f"{number:,}", "percent": percent, "images": images}
    return jinja


def images(number: int) -> str:
    """A number of images, in words."""
    return f"{number:,} image" + "s" * (number != 1)


def percent(share: float) -> str:
    """A share in per cent, with one decimal."""
    return f"{share:.1%}".replace("%", " %")
