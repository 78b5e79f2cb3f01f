"""Numbers that describe an image as a whole, and nothing of what the lungs show.

Twenty *global statistics* are the input of a trivial classifier (``measure/shortcuts.py``); the
others describe borders, corner marks and masks. Grey values are 0 (black) to 255 (white).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.image import Pixels
from covseg.data.index import LUNG
from covseg.data.store import Store
from covseg.data.threads import mapped

Numbers = npt.NDArray[np.float64]

GLOBAL = {
    "mean": "mean grey value",
    "standard_deviation": "standard deviation of the grey values",
    "skewness": "third standardised moment of the grey values",
    "kurtosis": "fourth standardised moment of the grey values, 3 for a normal distribution",
    **{
        f"percentile_{p}": f"least grey value with {p} % of the pixels at or below it"
        for p in (1, 5, 25, 50, 75, 95, 99)
    },
    "entropy": "of the histogram of 256 grey values, in bits",
    "grey_levels": "number of grey values that occur",
    "black_share": "share of pixels that are 0",
    "white_share": "share of pixels that are 255",
    "gradient_x": "mean absolute difference of pixels side by side",
    "gradient_y": "mean absolute difference of pixels one above the other",
    "laplacian": "standard deviation of the Laplacian: sharpness and grain",
    "left_minus_right": "mean of the left half less the mean of the right half",
    "top_minus_bottom": "mean of the upper half less the mean of the lower half",
}
OTHERS = {
    "border_mean": "mean grey value of the outermost sixteenth on each side, lungs left out",
    "border_deviation": "standard deviation of the grey values there",
    "border_black_share": "share of pixels there that are 0",
    "corner_marks": "share of the four corners (a quarter of the sides), lungs left out, in spots "
    "at least 60 grey values brighter than their surroundings, at most a sixth of the side long: "
    "letters, markers, parts of devices",
    "lung_share_of_image": "share of pixels in the lung mask; missing without a lung mask",
    "infected_share_of_image": "share of pixels in the mask of the lesion",
    "infected_share_of_lung": "pixels of that mask by pixels of the lung mask; missing without one",
}
NAMES = (*GLOBAL, *OTHERS)

_PERCENTILES = np.array([1, 5, 25, 50, 75, 95, 99]) / 100
_GREYS = np.arange(256.0)
_MARK = 60  # grey values that a mark stands out


@dataclass(frozen=True)
class Statistics:
    """One row of numbers per image, in the order of the index."""

    values: Numbers  # [n_images, len(NAMES)], NaN where a number is missing

    def __getitem__(self, name: str) -> Numbers:
        """One of ``NAMES`` of every image, [n_images]."""
        return self.values[:, NAMES.index(name)]

    @property
    def of_image(self) -> Numbers:
        """The global statistics, [n_images, 20]."""
        return self.values[:, : len(GLOBAL)]


def statistics(store: Store) -> Statistics:
    """The numbers of every image; one image a thread is in memory at a time."""

    def describe(row: int) -> list[float]:
        image, lung = store.images[row], store.on_image(LUNG, row)
        return [
            *global_statistics(image),
            *_of_border(image, lung),
            _corner_marks(image, lung),
            *_of_masks(store, row),
        ]

    rows = range(len(store.index.rows))
    return Statistics(np.array(list(mapped(describe, rows, "measuring")), np.float64))


def _of_masks(store: Store, row: int) -> list[float]:
    """Shares of lung and lesion; NaN where there is no such mask."""
    height, width = store.truth_size(row)
    masks = store.index.rows[row].masks
    n_lung, n_lesion = (
        np.count_nonzero(store.masks[target][row]) if target and target in masks else np.nan
        for target in (LUNG, store.index.lesion)
    )
    n_pixels = height * width
    return [n_lung / n_pixels, n_lesion / n_pixels, n_lesion / n_lung if n_lung > 0 else np.nan]


def global_statistics(image: Pixels) -> list[float]:
    """The numbers ``GLOBAL`` of an image."""
    return [*_of_histogram(image), *_of_neighbours(image)]


def _of_histogram(image: Pixels) -> list[float]:
    """The statistics that do not depend on where a pixel is, from the 256 counts."""
    counts = cv2.calcHist([np.ascontiguousarray(image)], [0], None, [256], [0, 256]).ravel()
    share = counts.astype(np.float64) / image.size
    mean = float(share @ _GREYS)
    off = _GREYS - mean
    deviation = float(np.sqrt(share @ off**2))
    standard = off / deviation if deviation > 0 else np.zeros(256)  # an image of one grey
    reached = np.cumsum(counts.astype(np.float64))
    percentiles = np.searchsorted(reached, np.ceil(_PERCENTILES * image.size))
    present = share[share > 0]
    return [
        *(mean, deviation, float(share @ standard**3), float(share @ standard**4)),
        *percentiles.astype(float),
        float(-(present @ np.log2(present))) + 0.0,  # no -0
        float(len(present)),
        *(float(share[0]), float(share[255])),
    ]


def _of_neighbours(image: Pixels) -> list[float]:
    image = np.ascontiguousarray(image)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    _, deviation = cv2.meanStdDev(cv2.Laplacian(image, cv2.CV_16S))
    return [
        _mean(cv2.absdiff(image[:, 1:], image[:, :-1])),
        _mean(cv2.absdiff(image[1:], image[:-1])),
        float(deviation[0, 0]),
        _mean(image[:, :width]) - _mean(image[:, -width:]),
        _mean(image[:height]) - _mean(image[-height:]),
    ]


def _mean(plane: Pixels | cv2.typing.MatLike) -> float:
    return float(cv2.mean(plane)[0])  # five times as fast as numpy's


def _of_border(image: Pixels, lung: Pixels) -> list[float]:
    height, width = image.shape
    inside = np.zeros(image.shape, bool)
    down, right = max(1, height // 16), max(1, width // 16)
    inside[down : height - down, right : width - right] = True
    border = image[~inside & (lung == 0)]
    if not border.size:
        return [np.nan] * 3
    return [float(border.mean()), float(border.std()), float(np.mean(border == 0))]


def _corner_marks(image: Pixels, lung: Pixels) -> float:
    height, width = image.shape
    side = max(3, round(min(height, width) / 24) | 1)  # wider than the stroke of a letter
    longest = min(height, width) / 6  # of a label; the edges of skin and film are longer
    kernel = np.ones((side, side), np.uint8)
    n_marked = n_seen = 0
    for lines in (slice(0, height // 4), slice(height - height // 4, height)):
        for columns in (slice(0, width // 4), slice(width - width // 4, width)):
            corner, seen = np.ascontiguousarray(image[lines, columns]), lung[lines, columns] == 0
            stands_out = cv2.morphologyEx(corner, cv2.MORPH_TOPHAT, kernel) >= _MARK
            _, _, spots, _ = cv2.connectedComponentsWithStats((stands_out & seen).astype(np.uint8))
            small = spots[1:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1].max(axis=1) <= longest
            n_marked += int(spots[1:, cv2.CC_STAT_AREA][small].sum())
            n_seen += int(np.count_nonzero(seen))
    return n_marked / n_seen if n_seen else np.nan
