"""What the fitting images look like as a whole, so that an image of another kind is noticed.

Two rules, each with a limit that 99.5 % of the fitting images keep: the correlation of a 32 x 32
thumbnail with their mean, and the Mahalanobis distance of the 20 global statistics from theirs. Of
COVID-QU-Ex, with Train as the fitting images, 1.3 % of Test are called unusual; of Test's images,
inverted 100 %, turned by a half 74 %, by a quarter 61 %, with gamma 0.4 or 2.5 about 18 %.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.audit.statistics import global_statistics
from covseg.data.image import Pixels
from covseg.data.planes import common_size
from covseg.data.store import Store
from covseg.data.threads import mapped
from covseg.errors import RunError
from covseg.files import write_whole

Numbers = npt.NDArray[np.float64]

LAYOUT = "unlike the fitting images: inverted, turned, or no chest X-ray"
GREYS = "grey values unlike those of the fitting images: another exposure or processing"
_KEPT = 0.995  # share of the fitting images within each limit
_SIDE = 32  # of a thumbnail
_SIZE = (256, 256)  # at which images of several sizes are described
_FEWEST = 200  # images whose statistics are a measure of others: ten for each of the 20
_LEAST_VARIANCE = 1e-3  # of standardised statistics: of few images some never vary


@dataclass(frozen=True)
class TypicalImages:
    """The fitting images as a whole.

    Attributes:
        shape: height and width at which images are described, [2].
        thumbnail: the mean, [_SIDE * _SIDE].
        least_correlation: with it.
        mean: of the statistics, [20].
        deviation: of the statistics, [20].
        precision: inverse covariance of the standardised statistics, [20, 20].
        largest_distance: squared; infinite, so that nothing is said of greys, of too few images.
    """

    shape: Numbers
    thumbnail: Numbers
    least_correlation: Numbers
    mean: Numbers
    deviation: Numbers
    precision: Numbers
    largest_distance: Numbers

    @classmethod
    def of(cls, store: Store, rows: Sequence[int]) -> "TypicalImages":
        """Of some images of a store."""
        size = common_size(store.images) or _SIZE

        def described_row(row: int) -> tuple[Numbers, list[float]]:
            return _described(_resized(store.images[row], *size))

        described = list(mapped(described_row, rows, "measuring"))
        thumbnails = np.array([thumbnail for thumbnail, _ in described])
        statistics = np.array([values for _, values in described])
        deviation = statistics.std(axis=0)
        deviation[deviation == 0] = 1
        standard = (statistics - statistics.mean(axis=0)) / deviation
        covariance = standard.T @ standard / len(standard)
        precision = np.linalg.inv(covariance + _LEAST_VARIANCE * np.eye(len(covariance)))
        thumbnail = thumbnails.mean(axis=0)
        return cls(
            shape=np.array(size, np.float64),
            thumbnail=thumbnail,
            least_correlation=np.array(np.quantile(thumbnails @ thumbnail, 1 - _KEPT)),
            mean=statistics.mean(axis=0),
            deviation=deviation,
            precision=precision,
            largest_distance=np.array(
                np.quantile(_squared(standard, precision), _KEPT)
                if len(standard) >= _FEWEST
                else np.inf
            ),
        )

    def difference(self, image: Pixels) -> str:
        """In what an image is unusual; empty if it is not.

        Args:
            image: uint8 [height, width], of any size.
        """
        height, width = map(int, self.shape)
        thumbnail, statistics = _described(_resized(image, height, width))
        standard = (np.array(statistics) - self.mean) / self.deviation
        found = [LAYOUT] * bool(thumbnail @ self.thumbnail < self.least_correlation)
        found += [GREYS] * bool(_squared(standard, self.precision) > self.largest_distance)
        return "; ".join(found)

    def to_bytes(self) -> bytes:
        """As the content of a ``.npz`` file."""
        file = io.BytesIO()
        np.savez_compressed(file, **vars(self))
        return file.getvalue()

    def save(self, path: Path) -> None:
        """Write to a ``.npz`` file."""
        write_whole(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path) -> "TypicalImages":
        """Read a file of ``save``.

        Raises:
            RunError: it is damaged.
        """
        return cls.of_bytes(path.read_bytes(), path)

    @classmethod
    def of_bytes(cls, content: bytes, path: Path) -> "TypicalImages":
        """Read the result of ``to_bytes``.

        Args:
            content: of a ``.npz`` file.
            path: of the file that it comes from, for errors.

        Raises:
            RunError: it is damaged.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as parts:
                read = cls(**{name: parts[name].astype(np.float64) for name in parts.files})
            read.difference(np.zeros((_SIDE, _SIDE), np.uint8))  # raises where shapes do not fit
        except Exception as error:  # a damaged file can make numpy and zlib raise almost anything
            raise RunError(
                path, f"cannot be read ({error})", "remove it to predict without warnings"
            ) from error
        return read


def _described(image: Pixels) -> tuple[Numbers, list[float]]:
    """Standardised thumbnail and statistics."""
    thumbnail = _resized(image, _SIDE, _SIDE).astype(np.float64).ravel()
    thumbnail -= thumbnail.mean()
    return thumbnail / (np.linalg.norm(thumbnail) or 1), global_statistics(image)


def _resized(image: Pixels, height: int, width: int) -> Pixels:
    if image.shape == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _squared(standard: Numbers, precision: Numbers) -> Numbers:
    return np.asarray(np.einsum("...j,jk,...k->...", standard, precision, standard), np.float64)
