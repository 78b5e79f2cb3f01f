"""Records: what a run knows of each image, and the file that anyone can recompute a score from."""

import csv
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from covseg.data.index import Key, Row
from covseg.errors import RunError, TrainingError
from covseg.files import write_whole
from covseg.measure.counts import FIELDS, Counts, Numbers

Names = npt.NDArray[np.str_]
LABELS = ("name", "split", "patient_class", "target")
_WHOLE = FIELDS[:5]  # the rest are sums of errors


@dataclass(frozen=True)
class Records:
    """One record an image and target, sorted by split, class, name, then target.

    Attributes:
        name: of the file, [n].
        split: [n].
        patient_class: [n].
        target: [n].
        values: float64 [n, len(FIELDS)].
    """

    name: Names
    split: Names
    patient_class: Names
    target: Names
    values: Numbers

    @classmethod
    def of(cls, gathered: Numbers, rows: Sequence[Row], targets: Sequence[str]) -> "Records":
        """From what ``ImageRecords`` gathered: [n, 1 + targets * len(FIELDS)].

        Raises:
            RuntimeError: an image was counted twice, which no number of processes may cause.
            TrainingError: a network gave something that is no number.
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
        split, patient_class, name, target, values = zip(*sorted(entries), strict=True)
        return cls(
            np.array(name),
            np.array(split),
            np.array(patient_class),
            np.array(target),
            np.array(values, np.float64),
        )

    @classmethod
    def joined(cls, parts: Sequence["Records"]) -> "Records":
        """The records of several sets of images, sorted as those of one are."""
        joined = cls(
            np.concatenate([part.name for part in parts]),
            np.concatenate([part.split for part in parts]),
            np.concatenate([part.patient_class for part in parts]),
            np.concatenate([part.target for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
        order = (joined.target, joined.name, joined.patient_class, joined.split)
        return joined.where(np.lexsort(order))

    @property
    def keys(self) -> list[Key]:
        """What the image of each record is known by."""
        found = zip(self.split, self.patient_class, self.name, strict=True)
        return [(str(split), str(patient_class), str(name)) for split, patient_class, name in found]

    def where(self, chosen: npt.NDArray[np.bool_ | np.intp]) -> "Records":
        """These records only."""
        return Records(
            self.name[chosen],
            self.split[chosen],
            self.patient_class[chosen],
            self.target[chosen],
            self.values[chosen],
        )

    def without(self, images: Set[Key]) -> "Records":
        """These records less those of some images."""
        return self.where(np.array([key not in images for key in self.keys], bool))

    def counts(self, detection_min_pixels: int = 1) -> Counts:
        """The numbers, as scores read them."""
        return Counts.of(self.values, detection_min_pixels)

    def write(self, path: Path) -> None:
        """Write ``per_image.csv``: whole numbers as such, errors with all their digits."""
        table = io.StringIO(newline="")
        writer = csv.writer(table)
        writer.writerow([*LABELS, *FIELDS])
        labels = zip(self.name, self.split, self.patient_class, self.target, strict=True)
        for label, values in zip(labels, self.values, strict=True):
            whole = [int(v) for v in values[: len(_WHOLE)]]
            writer.writerow([*label, *whole, *(repr(float(v)) for v in values[len(_WHOLE) :])])
        write_whole(path, table.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Records":
        """Read back what ``write`` wrote.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                table = csv.DictReader(file)
                lines = list(table)
            if table.fieldnames != [*LABELS, *FIELDS]:
                raise ValueError("has other columns")
            labels: list[Any] = [np.array([line[name] for line in lines]) for name in LABELS]
            values = np.array([[float(line[field]) for field in FIELDS] for line in lines])
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RunError(
                path, f"cannot be read ({reason})", "copy the run folder again, as a whole"
            ) from error
        name, split, patient_class, target = labels
        return cls(name, split, patient_class, target, values)
