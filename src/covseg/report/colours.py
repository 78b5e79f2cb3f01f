"""The colours of all pictures and pages: the colour-blind safe palette of Okabe and Ito.

Figures use the colours of a light page; ``CSS`` maps each of them to the variable of the style
sheet that replaces it in a page, so that a dark page can redefine it.
"""

from covseg.data.layout import PATIENT_CLASSES

Colour = tuple[int, int, int]  # red, green, blue

# outlines on a radiograph
TRUTH: Colour = (86, 180, 233)  # infection mask
OTHER_TRUTH: Colour = (230, 159, 0)  # infection mask of a copy
PREDICTION: Colour = (255, 255, 255)  # over the colours of a probability
LUNG: Colour = (255, 255, 255)

# two of the classes' colours are darker than the palette's, as text needs contrast on white
INK, QUIET, LINE, FAINT = "#1c2128", "#57606a", "#d3d9e0", "#eef1f4"
CLASSES = dict(zip(PATIENT_CLASSES, ("#b84f00", "#0072b2", "#007f5c"), strict=True))
CSS = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    FAINT: "var(--faint)",
    **{colour: f"var(--class-{number})" for number, colour in enumerate(CLASSES.values(), 1)},
}
