"""The extent of a prediction, against regions that are counted by flooding."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from covseg.measure.extent import Extent


def regions(mask: np.ndarray) -> list[int]:
    """Sizes of the connected regions, corners included, by flooding one after the other."""
    left, sizes = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        edge, size = [left.pop()], 0
        while edge:
            y, x = edge.pop()
            size += 1
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        sizes.append(size)
    return sizes


@given(arrays(np.float32, (9, 7), elements=st.floats(0, 1, width=32)), st.sampled_from([0, 0.5, 1]))
@settings(max_examples=80, deadline=None)
def test_regions_are_those_of_flooding(probability, threshold):
    extent = Extent.of(probability, threshold)
    sizes = regions(probability > threshold)
    assert (extent.n_regions, extent.largest_region) == (len(sizes), max(sizes, default=0))
    assert extent.pixels == sum(sizes)
    assert extent.share == sum(sizes) / probability.size
    assert abs(extent.mean_probability - probability.astype(float).mean()) < 1e-9
