"""Augmentation: the only file that imports albumentations.

albumentations 2.0.8 gives every loader worker the same random stream and, without persistent
workers, repeats it every epoch; ``seed_everything`` does not help. So each use is seeded anew from
(seed, epoch, row number): the same picture for any number of workers or processes, another one in
every epoch and for every row, and the right one when a run resumes in the middle of an epoch.
"""

import copy
import os
from collections.abc import Sequence

import numpy as np

from covseg.data.image import Pixels

# without this the import looks for a newer version on the network
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A


class Augment:
    """Random transforms, applied to an image and its masks together.

    Args:
        transforms: albumentations transforms, applied in this order, each with its probability.
        seed: of the run.
    """

    def __init__(self, transforms: Sequence[A.BasicTransform], seed: int) -> None:
        self._compose = A.Compose(list(transforms))
        self._seed = seed

    def __call__(
        self, image: Pixels, masks: Pixels, *, epoch: int, row: int
    ) -> tuple[Pixels, Pixels]:
        """Augment the image and masks of a row in an epoch.

        Args:
            image: uint8 [height, width].
            masks: uint8 {0, 1} [targets, height, width].
            epoch: from 0.
            row: the row's number in the index.
        """
        stream = np.random.SeedSequence((self._seed, epoch, row)).generate_state(1)
        self._compose.set_random_seed(int(stream[0]))
        out = self._compose(image=image, masks=masks)
        return out["image"], np.asarray(out["masks"])


def check(transform: A.BasicTransform, size: int) -> str | None:
    """Apply a transform to random images and check that a network and a loss can take the results.

    Args:
        transform: applied every time, whatever its probability.
        size: side of the network's input, in pixels.

    Returns:
        what is wrong with the results, None if nothing is.

    Raises:
        Exception: of any kind, from albumentations.
    """
    always = copy.deepcopy(transform)
    always.p = 1.0
    augment, draw = Augment([always], seed=0), np.random.default_rng(0)
    for row in range(_TRIALS):
        image = draw.integers(0, 256, (size, size), np.uint8)
        masks = draw.integers(0, 2, (1, size, size), np.uint8)
        if fault := _fault(*augment(image, masks, epoch=0, row=row), size):
            return fault
        _, blank = augment(image, np.zeros_like(masks), epoch=0, row=row)
        if blank.any():
            return "marks pixels of an empty mask as infected"
    return None


def _fault(image: Pixels, masks: Pixels, size: int) -> str | None:
    for name, array, shape in (("images", image, (size, size)), ("masks", masks, (1, size, size))):
        if array.shape != shape or array.dtype != np.uint8:
            made = f"{array.dtype} {list(array.shape)}"
            return f"makes {name} of {made}, expected uint8 {list(shape)}"
    if masks.max(initial=0) > 1:
        return f"makes masks with the value {masks.max()}, expected 0 or 1"
    return None


_TRIALS = 32  # draws of a transform, such as an angle
