"""What a score has to beat: four predictions that need no network, scored by the same code.

*Predict nothing*; *constant*, the infected share of the fitting data everywhere; *mean mask*, the
mean of the positive fitting masks; *lung mask*, an oracle that knows the truth of the lungs.
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

_BLOCK = 64  # images at a time
_CANDIDATES = np.linspace(0.01, 0.99, 99, dtype=np.float32)  # thresholds of the mean mask
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Statistics:
    """What the baselines know of the fitting data.

    Attributes:
        share: infected share of all pixels, float64 [targets].
        mean_mask: mean of the positive masks, float32 [targets, height, width].
        threshold: of the mean mask, with the best ``dice_positive`` on the fitting data, [targets].
    """

    share: npt.NDArray[np.float64]
    mean_mask: Floats
    threshold: Floats

    def save(self, path: Path) -> None:
        """Write to a ``.npz`` file."""
        file = io.BytesIO()
        np.savez_compressed(
            file, share=self.share, mean_mask=self.mean_mask, threshold=self.threshold
        )
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Statistics":
        """Read back; RunError where the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["share"], file["mean_mask"], file["threshold"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(
                path, f"cannot be read ({error})", "copy the run folder again, as a whole"
            ) from error


def fit(store: Store, rows: Sequence[int], targets: Sequence[str]) -> Statistics:
    """Learn the baselines from the fitting data alone."""
    learnt = [_fit_target(store.masks[target], rows) for target in targets]
    share, mean_mask, threshold = zip(*learnt, strict=True)
    return Statistics(np.array(share), np.stack(mean_mask), np.array(threshold, np.float32))


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
    """The candidate whose mean Dice over all positive masks is the highest."""
    predictions = (mean_mask.reshape(-1, 1) > _CANDIDATES).astype(
        np.float32
    )  # [pixels, candidates]
    dice = np.zeros(len(_CANDIDATES))
    for block in _blocks(positives):
        truth = masks[block].reshape(len(block), -1).astype(np.float32)
        overlap = truth @ predictions  # [block, candidates]
        dice += (2 * overlap / (truth.sum(1, keepdims=True) + predictions.sum(0))).sum(0)
    return np.float32(_CANDIDATES[dice.argmax()])


def records(
    statistics: Statistics, store: Store, rows: Sequence[int], targets: Sequence[str]
) -> dict[str, Records]:
    """The records of each baseline on ``rows``.

    ``lung_mask`` is left out where a lung mask is missing, and for the target lung.
    """
    index = store.index
    predictors: dict[str, tuple[npt.ArrayLike, npt.ArrayLike]] = {
        "predict_nothing": (np.zeros((len(targets), 1, 1)), 0.5),
        "constant": (statistics.share[:, None, None], 0.5),
        "mean_mask": (statistics.mean_mask, statistics.threshold[:, None, None]),
    }
    found = {
        name: _score(
            store,
            rows,
            targets,
            np.asarray(probability, np.float32),
            np.asarray(threshold, np.float32),
        )
        for name, (probability, threshold) in predictors.items()
    }
    if set(targets) != {"lung"} and all(index.rows[row].lung for row in rows):
        lungs = _score(store, rows, targets, None, np.asarray(0.5, np.float32))
        found["lung_mask"] = lungs.where(lungs.target != "lung")
    return found


def _score(
    store: Store,
    rows: Sequence[int],
    targets: Sequence[str],
    probability: Floats | None,
    threshold: Floats,
) -> Records:
    """Score one probability for all images, or each image's lung mask (None)."""
    gathered = []
    for block in _blocks(np.asarray(rows)):
        truth = torch.from_numpy(np.stack([store.masks[t][block] for t in targets], axis=1))
        if probability is None:
            lungs = torch.from_numpy(store.masks["lung"][block])
            guess = lungs[:, None].expand(truth.shape)
        else:
            guess = torch.from_numpy(probability).expand(len(block), -1, -1, -1)
        counts = count(guess, truth, torch.from_numpy(threshold))
        gathered.append(np.concatenate([block[:, None], counts.flatten(1).numpy()], axis=1))
    return Records.of(np.concatenate(gathered), store.index.rows, targets)


def _blocks(rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]
