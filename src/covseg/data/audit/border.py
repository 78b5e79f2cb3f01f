"""The frame of an image with the lungs blanked: nothing in it shows the disease."""

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.data.index import LUNG
from covseg.data.store import Store
from covseg.data.threads import mapped

CELLS, DEEP = 16, 2  # cells per side of the image; depth of the frame in cells
_FRAME = np.ones((CELLS, CELLS), bool)
_FRAME[DEEP:-DEEP, DEEP:-DEEP] = False
N_CELLS = int(_FRAME.sum())

Floats = npt.NDArray[np.float32]


def borders(store: Store) -> Floats:
    """The frame of every image, float32 [n_images, N_CELLS] of grey values.

    A cell is the mean of its pixels outside the lung mask, and a cell wholly inside it the mean of
    the other cells: blanking with a fixed grey would draw the outline of the lungs, which tells a
    classifier as much as the lungs do.
    """

    def frame(row: int) -> Floats:
        return _frame(store.images[row], store.on_image(LUNG, row))

    rows = range(len(store.index.rows))
    return np.stack(list(mapped(frame, rows, "blanking the lungs")))


def _frame(image: Pixels, lung: Pixels) -> Floats:
    outside = (lung == 0).astype(np.float32)
    seen = _cells(outside)
    grey = _cells(image.astype(np.float32) * outside)
    filled = seen > 1e-6  # rounding of the resizing
    if not filled.any():
        return np.zeros(N_CELLS, np.float32)
    cells = np.divide(grey, seen, out=np.zeros_like(grey), where=filled)
    cells[~filled] = cells[filled].mean()
    return cells


def _cells(plane: Floats) -> Floats:
    small = cv2.resize(plane, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(small[_FRAME], np.float32)
