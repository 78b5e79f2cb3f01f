"""Records: the counts of each image, and the file from which every score can be recomputed."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from covseg.csv_files import read_csv, write_csv
from covseg.data.index import Key, Row
from covseg.errors import RunError, TrainingError
from covseg.measure.counts import FIELDS, Counts, Numbers

Names = npt.NDArray[np.str_]
LABELS = ("name", "split", "patient_class", "target")
_N_WHOLE = 5  # the first fields are pixels, the rest sums of errors
_AGAIN = "copy the whole run folder again"


@dataclass(frozen=True)
class Records:
    """One record per image and target, sorted by split, class, name, then target; [n] each."""

    name: Names  # of the file
    split: Names
    patient_class: Names
    target: Names
    values: Numbers  # float64 [n, len(FIELDS)]

    @classmethod
    def of(cls, gathered: Numbers, rows: Sequence[Row], targets: Sequence[str]) -> "Records":
        """Create from the result of ``ImageRecords``, [n, 1 + targets * len(FIELDS)].

        Raises:
            RuntimeError: an image was counted twice.
            TrainingError: a probability is not finite.
        """
        numbers = gathered[:, 0].astype(np.int64)
        if len(np.unique(numbers)) < len(numbers):
            raise RuntimeError("an image was counted twice")
        broken = ~np.isfinite(gathered).all(axis=1)
        if broken.any():
            raise TrainingError(
                f"the probability for {rows[numbers[broken][0]].name}",
                "is not a number",
                "score with trainer.precision=32, or train with a lower optimizer.lr",
            )
        entries = [
            (rows[n].split, rows[n].patient_class, rows[n].name, target, tuple(values))
            for n, image in zip(
                numbers, gathered[:, 1:].reshape(len(numbers), len(targets), -1), strict=True
            )
            for target, values in zip(targets, image, strict=True)
        ]
        columns = map(np.array, zip(*sorted(entries), strict=True))
        split, patient_class, name, target, values = columns
        return cls(name, split, patient_class, target, values)

    @classmethod
    def joined(cls, parts: Sequence["Records"]) -> "Records":
        """The records of several sets of images, sorted as one."""
        columns = (*LABELS, "values")
        joined = cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in columns))
        order = (joined.target, joined.name, joined.patient_class, joined.split)
        return joined.where(np.lexsort(order))

    @property
    def keys(self) -> list[Key]:
        """The key (split, class, name) of each record's image."""
        split, patient_class = self.split.tolist(), self.patient_class.tolist()
        return list(zip(split, patient_class, self.name.tolist(), strict=True))

    def where(self, chosen: npt.NDArray[np.bool_ | np.intp]) -> "Records":
        """Only the chosen records."""
        return Records(*(getattr(self, name)[chosen] for name in (*LABELS, "values")))

    def without(self, images: Set[Key]) -> "Records":
        """The records without those of some images."""
        return self.where(np.array([key not in images for key in self.keys], bool))

    def counts(self, detection_min_pixels: int = 1) -> Counts:
        """The counts, as scores take them."""
        return Counts.of(self.values, detection_min_pixels)

    def write(self, path: Path) -> None:
        """Write ``per_image.csv``: pixels as integers, errors with all digits."""
        labels = zip(self.name, self.split, self.patient_class, self.target, strict=True)
        rows = (
            [*label, *map(int, values[:_N_WHOLE]), *values[_N_WHOLE:]]
            for label, values in zip(labels, self.values.tolist(), strict=True)
        )
        write_csv(path, (*LABELS, *FIELDS), rows)

    @classmethod
    def read(cls, path: Path) -> "Records":
        """Read a file written by ``write``.

        Raises:
            RunError: the file is missing or damaged.
        """
        rows = read_csv(path, (*LABELS, *FIELDS), _AGAIN)
        try:
            values = np.array([row[len(LABELS) :] for row in rows], np.float64)
            if not rows:
                raise ValueError("no rows")
        except ValueError as error:
            raise RunError(path, f"cannot be read ({error})", _AGAIN) from error
        name, split, patient_class, target = np.array([row[: len(LABELS)] for row in rows]).T
        return cls(name, split, patient_class, target, values)
