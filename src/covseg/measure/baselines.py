"""Four trivial predictions that a network has to beat, scored by the same code.

*Predict nothing*; *constant*, the infected share of the fitting data at every pixel; *mean mask*,
the mean of the positive masks of the fitting data; *lung mask*, an oracle with the true lung mask.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from covseg.data.index import LUNG
from covseg.data.planes import Planes, common_size
from covseg.data.resize import resize_mask
from covseg.data.sampler import ScoreBatches
from covseg.data.store import Store
from covseg.errors import RunError
from covseg.files import write_whole
from covseg.measure.counts import FIELDS, count
from covseg.measure.records import Records

_BLOCK_SIZE = 64  # images
_SIZE = (256, 256)  # of the mean mask of masks of several sizes, or of large ones
_LARGEST = 512  # pixels per side of a mean mask: a hundred of them are in memory at a time
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


def _fit_target(masks: Planes, rows: Sequence[int]) -> tuple[float, Floats, np.float32]:
    areas = np.array([int(masks[row].sum()) for row in rows])
    share = float(areas.sum() / sum(masks[row].size for row in rows))
    size = common_size(masks)
    if size is None or max(size) > _LARGEST:
        size = _SIZE
    positives = [row for row, area in zip(rows, areas, strict=True) if area]
    total = np.zeros(size, np.int64)
    for row in positives:
        total += resize_mask(masks[row], size)
    mean_mask = (total / max(len(positives), 1)).astype(np.float32)
    return share, mean_mask, _best_threshold(mean_mask, masks, positives)


def _best_threshold(mean_mask: Floats, masks: Planes, positives: Sequence[int]) -> np.float32:
    """The threshold with the highest mean Dice over all positive masks."""
    height, width = mean_mask.shape
    above = mean_mask.reshape(-1, 1) > _THRESHOLDS  # [pixels, thresholds]
    predictions = above.astype(np.float32)
    dice = np.zeros(len(_THRESHOLDS))
    for start in range(0, len(positives), _BLOCK_SIZE):
        block = positives[start : start + _BLOCK_SIZE]
        resized = np.stack([resize_mask(masks[row], (height, width)) for row in block])
        truth = resized.reshape(len(block), -1).astype(np.float32)
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
    if {*targets} != {LUNG} and all(LUNG in store.index.rows[row].masks for row in rows):
        lungs = _score(store, rows, targets, None)
        records["lung_mask"] = lungs.where(lungs.target != LUNG)
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
    sizes = [store.truth_size(row) for row in rows]
    values = np.empty((len(rows), 1 + len(targets) * len(FIELDS)))
    for places in ScoreBatches(sizes, _BLOCK_SIZE, rank=0, world_size=1):
        block = [rows[place] for place in places]
        truth = torch.stack([_stacked(store.masks[target], block) for target in targets], dim=1)
        if probability is None:
            predicted = _stacked(store.masks[LUNG], block)[:, None].expand(truth.shape)
        else:
            predicted = torch.from_numpy(probability).expand(len(block), -1, -1, -1)
        values[places, 0] = block
        values[places, 1:] = count(predicted, truth, thresholds).flatten(1).numpy()
    return Records.of(values, store.index.rows, targets)


def _stacked(masks: Planes, rows: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.stack([masks[row] for row in rows]))
