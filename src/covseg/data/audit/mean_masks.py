"""Where the lesion is: the mean of its masks in a split, and of their lung masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.data.index import LUNG
from covseg.data.planes import common_size
from covseg.data.store import Store

_SIDE = 128  # pixels of the longer side, at most: a map shows no more

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MeanMask:
    """The mean over the positive images of a split."""

    n_images: int  # positive images, at least 1
    lesion: Floats  # share of them that have the lesion there, [height, width]
    lung: Floats | None  # of those with a lung mask, None if there are none


def mean_mask(store: Store, rows: Sequence[int]) -> MeanMask | None:
    """The mean masks of the positive images among ``rows``, None if there are none.

    Images of several sizes are stretched to a square.
    """
    if store.index.lesion is None:
        return None
    lesion = store.masks[store.index.lesion]
    height, width = common_size(lesion) or (_SIDE, _SIDE)
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    total, of_lung = np.zeros(size[::-1]), np.zeros(size[::-1])
    n_images = n_lungs = 0
    for row in rows:
        if not lesion[row].any():
            continue
        n_images += 1
        total += _resized(lesion[row], size)
        if LUNG in store.index.rows[row].masks:
            n_lungs += 1
            of_lung += _resized(store.masks[LUNG][row], size)
    if not n_images:
        return None
    mean_lung = (of_lung / n_lungs).astype(np.float32) if n_lungs else None
    return MeanMask(n_images, (total / n_images).astype(np.float32), mean_lung)


def _resized(mask: Pixels, size: tuple[int, int]) -> Floats:
    plane = cv2.resize(np.asarray(mask, np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(plane, np.float32)
