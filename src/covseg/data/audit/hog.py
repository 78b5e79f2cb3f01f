"""Histograms of oriented gradients: a description of a radiograph, whatever its tone and crop.

N. Dalal and B. Triggs, 2005 (doi 10.1109/CVPR.2005.177). Eight by eight cells tolerate a shift of
half a cell, which a comparison of pixels does not.
"""

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels

Floats = npt.NDArray[np.float32]

_SIZE, _CELLS, _BINS = 64, 8, 9
_ROWS, _COLUMNS = np.indices((_SIZE, _SIZE)) * _CELLS // _SIZE
_CELL = (_ROWS * _CELLS + _COLUMNS).ravel()


def hog(image: Pixels) -> Floats:
    """Describe one image.

    Args:
        image: uint8 [height, width].

    Returns:
        float32 [9 * 8 * 8] of length 1, zero for an image without any gradient: the dot product of
        two is the similarity of their images, from -1 to 1.
    """
    small = cv2.resize(image, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    along_x, along_y = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
    strength = np.hypot(along_x, along_y).ravel()
    place = (np.arctan2(along_y, along_x).ravel() % np.pi) * (_BINS / np.pi)
    low = np.floor(place).astype(np.intp)
    part = place - low
    votes = np.zeros(_BINS * _CELLS**2)
    for of_bin, share in ((low, 1 - part), (low + 1, part)):
        where = of_bin % _BINS * _CELLS**2 + _CELL
        votes += np.bincount(where, strength * share, minlength=len(votes))
    bins = votes.reshape(_BINS, _CELLS, _CELLS).astype(np.float32)
    nearby = cv2.blur(np.square(bins).sum(0), (3, 3))
    bins /= np.sqrt(nearby) + 1e-3  # contrast and exposure drop out
    return unit(bins - bins.mean((1, 2), keepdims=True))


def mirrored(descriptions: Floats) -> Floats:
    """The descriptions of the same images, left and right swapped; [n, 576]."""
    bins = descriptions.reshape(-1, _BINS, _CELLS, _CELLS)
    # a gradient of angle a points along pi - a in the mirror
    swapped = bins[:, -np.arange(_BINS) % _BINS, :, ::-1]
    return np.ascontiguousarray(swapped.reshape(descriptions.shape))


def unit(values: Floats) -> Floats:
    """The values as a vector of length 1, unless all are zero."""
    length = float(np.linalg.norm(values))
    return (values / length if length > 0 else values).ravel()
