"""The colours of all pictures and pages: the colour-blind safe palette of Okabe and Ito.

Figures use the colours of a light page; ``CSS`` maps each of them to the variable of the style
sheet that replaces it in a page, so that a dark page can redefine it.
"""

from collections.abc import Sequence
from itertools import cycle

Colour = tuple[int, int, int]  # red, green, blue

# outlines on a radiograph
TRUTH: Colour = (86, 180, 233)  # infection mask
OTHER_TRUTH: Colour = (230, 159, 0)  # infection mask of a copy
PREDICTION: Colour = (255, 255, 255)  # over the colours of a probability
LUNG: Colour = (255, 255, 255)

INK, QUIET, LINE, FAINT = "#1c2128", "#57606a", "#d3d9e0", "#eef1f4"
# some are darker than the palette's, as text needs contrast on white
ORANGE, BLUE, GREEN, PURPLE, BROWN = "#b84f00", "#0072b2", "#007f5c", "#9b4a7e", "#6f5b00"
_OF_CLASSES = (ORANGE, BLUE, GREEN, PURPLE, BROWN)
CSS = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    FAINT: "var(--faint)",
    **{colour: f"var(--class-{number})" for number, colour in enumerate(_OF_CLASSES, 1)},
}


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """The colour of each class, in this order; the sixth has that of the first again."""
    return dict(zip(classes, cycle(_OF_CLASSES), strict=False))
