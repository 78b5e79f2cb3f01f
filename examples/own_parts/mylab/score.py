"""A score that covseg does not have: a ratio of two sums over images."""

from covseg.measure.scores import Score


def specificity_pooled() -> Score:
    """Of all pixels without infection, the share that is not predicted."""
    return Score(
        "share of healthy pixels that are not predicted",
        lambda counts: counts.n_pixels - counts.tp - counts.fp - counts.fn,
        lambda counts: counts.n_pixels - counts.tp - counts.fn,
    )
