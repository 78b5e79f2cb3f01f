"""Four trivial predictions that a network has to beat, scored by the same code.

*Predict nothing*; *constant*, the infected share of the fitting data at every pixel; *mean mask*,
the mean of the positive masks of the fitting data; *lung mask*, an oracle with the true lung mask.
"""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from covseg.data.image import Pixels
from covseg.data.store import Store
from covseg.errors import RunError
from covseg.files import write_whole
from covseg.measure.counts import count
from covseg.measure.records import Records

_BLOCK_SIZE = 64  # images
_THRESHOLDS = np.linspace(0.01, 0.99, 99, dtype=np.float32)  # tried for the mean mask
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BaselineStatistics:
    """Statistics of the fitting data that the baselines predict from."""

    share: npt.NDArray[np.float64]  # infected share of all pixels, [targets]
    mean_mask: Floats  # mean of the positive masks, [targets, height, width]
    threshold: Floats  # of the mean mask, with the best dice_positive, [targets]

    def save(self, path: Path) -> None:
        """Write to a ``.npz`` file."""
        file = io.BytesIO()
        np.savez_compressed(file, **vars(self))
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> "BaselineStatistics":
        """Read from a ``.npz`` file.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["share"], file["mean_mask"], file["threshold"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(
                path, f"cannot be read ({error})", "copy the run folder again, as a whole"
            ) from error


def fit(store: Store, rows: Sequence[int], targets: Sequence[str]) -> BaselineStatistics:
    """Compute the statistics of each target from the fitting data."""
    fitted = [_fit_target(store.masks[target], rows) for target in targets]
    share, mean_mask, threshold = zip(*fitted, strict=True)
    return BaselineStatistics(np.array(share), np.stack(mean_mask), np.array(threshold, np.float32))


def _fit_target(masks: Pixels, rows: Sequence[int]) -> tuple[float, Floats, np.float32]:
    areas = np.array([int(masks[row].sum()) for row in rows])
    positives = np.asarray(rows)[areas > 0]
    total = np.zeros(masks.shape[1:], np.int64)
    for block in _blocks(positives):
        total += masks[block].sum(0, dtype=np.int64)
    mean_mask = (total / max(len(positives), 1)).astype(np.float32)
    threshold = _best_threshold(mean_mask, masks, positives)
    return float(areas.sum() / (len(rows) * mean_mask.size)), mean_mask, threshold


def _best_threshold(
    mean_mask: Floats, masks: Pixels, positives: npt.NDArray[np.int64]
) -> np.float32:
    """The threshold with the highest mean Dice over all positive masks."""
    above = mean_mask.reshape(-1, 1) > _THRESHOLDS  # [pixels, thresholds]
    predictions = above.astype(np.float32)
    dice = np.zeros(len(_THRESHOLDS))
    for block in _blocks(positives):
        truth = masks[block].reshape(len(block), -1).astype(np.float32)
        overlap = truth @ predictions  # [block, thresholds]
        dice += (2 * overlap / (truth.sum(1, keepdims=True) + predictions.sum(0))).sum(0)
    return np.float32(_THRESHOLDS[dice.argmax()])


def records(
    statistics: BaselineStatistics, store: Store, rows: Sequence[int], targets: Sequence[str]
) -> dict[str, Records]:
    """The records of each baseline on ``rows``.

    ``lung_mask`` is left out if an image has no lung mask, and for the target lung.
    """
    constant = statistics.share[:, None, None].astype(np.float32)
    threshold = statistics.threshold[:, None, None]
    records = {
        "predict_nothing": _score(store, rows, targets, np.zeros_like(constant)),
        "constant": _score(store, rows, targets, constant),
        "mean_mask": _score(store, rows, targets, statistics.mean_mask, threshold),
    }
    if set(targets) != {"lung"} and all(store.index.rows[row].lung for row in rows):
        lungs = _score(store, rows, targets, None)
        records["lung_mask"] = lungs.where(lungs.target != "lung")
    return records


def _score(
    store: Store,
    rows: Sequence[int],
    targets: Sequence[str],
    probability: Floats | None,
    threshold: Floats | float = 0.5,
) -> Records:
    """The records of one probability [targets, height, width] for all images.

    ``None`` stands for each image's own lung mask.
    """
    thresholds = torch.as_tensor(threshold, dtype=torch.float32)
    blocks = []
    for block in _blocks(np.asarray(rows)):
        truth = torch.from_numpy(np.stack([store.masks[t][block] for t in targets], axis=1))
        if probability is None:
            lungs = torch.from_numpy(store.masks["lung"][block])
            predicted = lungs[:, None].expand(truth.shape)
        else:
            predicted = torch.from_numpy(probability).expand(len(block), -1, -1, -1)
        counts = count(predicted, truth, thresholds)
        blocks.append(np.concatenate([block[:, None], counts.flatten(1).numpy()], axis=1))
    return Records.of(np.concatenate(blocks), store.index.rows, targets)


def _blocks(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK_SIZE):
        yield rows[start : start + _BLOCK_SIZE]
