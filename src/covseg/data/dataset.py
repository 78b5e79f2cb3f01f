"""A row of the index as a sample: image, mask and row number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from covseg.data.augment import Augment
from covseg.data.resize import Square
from covseg.data.store import Store


class Sample(NamedTuple):
    """One image, or after collation a batch of them.

    Attributes:
        image: uint8, [1, size, size]; ``to_network`` scales it on the device.
        mask: uint8 {0, 1}, [targets, height, width]: resized to the image for fitting, at its size
            on disk for scoring.
        row: int64, the row's number in the index; names and classes follow from it.
    """

    image: torch.Tensor
    mask: torch.Tensor
    row: torch.Tensor


class Draw(NamedTuple):
    """What ``FitSampler`` yields: a place, and the epoch, which seeds the augmentation."""

    epoch: int
    place: int


class XrayDataset(Dataset[Sample]):
    """Chest X-rays with masks of the COVID-19 infection, of the lungs, or of something else.

    Of COVID-QU-Ex:

    * 5,826 images of 256x256 pixels, 8-bit grey: Train 3,728, Val 932, Test 1,166; half of them
      COVID-19, a quarter each Non-COVID (other pneumonia) and Normal, whose infection masks are
      empty: "no COVID-19 infection", not "no opacity".
    * Masks are hand-drawn or hand-corrected; the infection lies inside the lung mask.
    * Licence CC BY-SA 4.0. Cite A. M. Tahir et al., "COVID-19 infection localization and severity
      grading from chest X-ray images", Computers in Biology and Medicine 139:105002, 2021
      (doi 10.1016/j.compbiomed.2021.105002) and the dataset (doi 10.34740/kaggle/dsv/3122958).

    Args:
        store: the decoded dataset.
        rows: the numbers of the rows of this dataset.
        targets: masks to stack, one channel each.
        image_size: side of the network's input, in pixels.
        pad: keep the proportions of images, see ``Square``.
        fitting: resize masks like images and augment; otherwise masks stay at their size on disk.
        augment: random transforms, for fitting only.
    """

    def __init__(
        self,
        store: Store,
        rows: Sequence[int],
        targets: Sequence[str],
        image_size: int,
        *,
        pad: bool = False,
        fitting: bool = False,
        augment: Augment | None = None,
    ) -> None:
        self.store = store
        self.rows = list(rows)
        self.targets = list(targets)
        self.square = Square(image_size, pad)
        self.fitting = fitting
        self.augment = augment

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """The sample at a place in ``rows``; a plain number means epoch 0."""
        epoch, place = draw if isinstance(draw, Draw) else (0, draw)
        row = self.rows[place]
        masks = np.stack([self.store.masks[target][row] for target in self.targets])
        height, width = masks.shape[1:]
        image = self.square.image(self.store.images[row], (height, width))
        if self.fitting:
            masks = np.stack([self.square.mask(mask) for mask in masks])
            if self.augment is not None:
                image, masks = self.augment(image, masks, epoch=epoch, row=row)
        return Sample(
            torch.from_numpy(np.array(image[None])),  # no view into the store
            torch.from_numpy(np.ascontiguousarray(masks)),
            torch.tensor(row),
        )


def to_network(image: torch.Tensor) -> torch.Tensor:
    """Scale a uint8 image to the network's input: float32 in [0, 1], on the image's device.

    The divisor is a tensor: CUDA multiplies by the reciprocal of a number, which rounds otherwise.
    """
    return image.float() / torch.full((), 255.0, device=image.device)
