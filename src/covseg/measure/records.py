"""Records: the counts of each image, and the file from which every score can be recomputed."""

import csv
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

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
    """One record per image and target, sorted by split, class, name, then target.

    Attributes:
        name: name of the file, [n].
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
        """Read a file written by ``write``.

        Raises:
            RunError: the file is missing or damaged.
        """
        try:
            with path.open(newline="", encoding="utf-8") as file:
                table = csv.DictReader(file)
                lines = list(table)
            if table.fieldnames != [*LABELS, *FIELDS]:
                raise ValueError("unexpected columns")
            labels = [np.array([line[name] for line in lines]) for name in LABELS]
            values = np.array([[float(line[field]) for field in FIELDS] for line in lines])
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RunError(
                path, f"cannot be read ({reason})", "copy the run folder again, as a whole"
            ) from error
        name, split, patient_class, target = labels
        return cls(name, split, patient_class, target, values)
