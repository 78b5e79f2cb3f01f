"""The index: one validated row per image, whatever folder, archive or table the files came in."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from covseg.config.data import SPLITS

LUNG = "lung"  # the target that the border, severity and a baseline take as the lungs
UNDIVIDED, UNCLASSED = "all", "all"  # the split, and the class, of data that has none

Key = tuple[str, str, str]  # split, class, name
T = TypeVar("T")


def paired_by_patient(images: Iterable[tuple[str | None, T]]) -> Iterator[tuple[T, T]]:
    """Each image of a patient with the patient's first one.

    Args:
        images: patient, None or empty if unknown, and whatever stands for the image.
    """
    first: dict[str, T] = {}
    for patient, image in images:
        if patient and (other := first.setdefault(patient, image)) != image:
            yield other, image


@dataclass(frozen=True)
class Row:
    """One image: where it belongs, and the paths of its files inside the source.

    Attributes:
        split: Train, Val or Test, or ``UNDIVIDED``.
        patient_class: as the data names it, or ``UNCLASSED``.
        name: unique within a split and class.
        image: path of the image.
        masks: paths by target; the parts of a mask in several files are joined, and a mask without
            any file is empty.
        patient: equal for images of one person; None if unknown.
    """

    split: str
    patient_class: str
    name: str
    image: str
    masks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patient: str | None = None

    @property
    def key(self) -> Key:
        """Split, class and name, which identify an image."""
        return self.split, self.patient_class, self.name

    @property
    def files(self) -> Iterator[tuple[str, str]]:
        """``image`` or a target, and a path, for every file."""
        yield "image", self.image
        for target, paths in sorted(self.masks.items()):
            yield from ((target, path) for path in paths)


@dataclass(frozen=True)
class Index:
    """The rows of a dataset, sorted by split, class and name; a row's number is its place here.

    Attributes:
        rows: all images.
        targets: what there are masks of, though not for every image.
        tree: of COVID-QU-Ex, ``infection`` or ``lung``; else empty.
        known_classes: of the dataset in the order in which they are shown, with or without images.
        positive_class: whose images all have a lesion, and no others; None where that is unknown.
    """

    rows: tuple[Row, ...]
    targets: tuple[str, ...]
    tree: str = ""
    known_classes: tuple[str, ...] = ()
    positive_class: str | None = None

    def of_split(self, *splits: str) -> list[int]:
        """The numbers of the rows of these splits, in the order of the table."""
        return [number for number, row in enumerate(self.rows) if row.split in splits]

    def numbers(self) -> dict[Key, int]:
        """The number of each row by the key of its image."""
        return {row.key: number for number, row in enumerate(self.rows)}

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits, in the order in which they are shown."""
        undivided = any(row.split == UNDIVIDED for row in self.rows)
        return (UNDIVIDED,) if undivided else SPLITS

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The patient classes, in the order in which they are shown."""
        present = {row.patient_class for row in self.rows}
        return self.known_classes if present <= {*self.known_classes} else tuple(sorted(present))

    @property
    def lesion(self) -> str | None:
        """The target that is a lesion: the first other than the lungs; None for lungs alone."""
        return next((target for target in self.targets if target != LUNG), None)

    def counts(self) -> dict[str, dict[str, int]]:
        """Images by split and class: ``{"Train": {"COVID-19": 1864, ...}, ...}``."""
        counts = Counter((row.split, row.patient_class) for row in self.rows)
        return {s: {c: counts[s, c] for c in self.classes} for s in self.splits}
