"""One colour a thing, on every picture and page: Okabe's and Ito's, made for the colour-blind.

Figures are drawn in the colours of a light page; ``CSS`` names the variable of a page's style sheet
that stands for each of them, which is another colour on a dark page.
"""

from covseg.data.layout import PATIENT_CLASSES

Rgb = tuple[int, int, int]

# outlines on a radiograph
TRUTH: Rgb = (86, 180, 233)  # of an infection, as it is annotated
OTHER_TRUTH: Rgb = (230, 159, 0)  # of the same infection on a copy
LUNG: Rgb = (255, 255, 255)

# two of the classes' a little darker than theirs: words stand in them on white
INK, QUIET, LINE, FAINT = "#1c2128", "#57606a", "#d3d9e0", "#eef1f4"
CLASSES = dict(zip(PATIENT_CLASSES, ("#b84f00", "#0072b2", "#007f5c"), strict=True))
CSS = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    FAINT: "var(--faint)",
    **{colour: f"var(--class-{number})" for number, colour in enumerate(CLASSES.values(), 1)},
}
