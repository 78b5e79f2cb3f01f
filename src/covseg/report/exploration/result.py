"""What ``covseg.explore`` has found of a dataset: everything that its tables and its page show."""

from collections.abc import Mapping
from dataclasses import dataclass

from covseg.data.audit.duplicates import Lookalike
from covseg.data.audit.mean_masks import MeanMask
from covseg.data.audit.statistics import Statistics
from covseg.data.findings import COPIES, Finding
from covseg.data.store import Store
from covseg.measure.shortcuts import Shortcut

OF_IMAGE, OF_BORDER = "20 global statistics", "the border alone"  # what a classifier is given
Counts = Mapping[str, Mapping[str, int]]  # split -> class -> images


@dataclass(frozen=True)
class Card:
    """Where the data and the page come from.

    Attributes:
        made_up: whether it is phantom data, of which nobody has a licence to give.
        root: the archive or folder, as it was named.
        command: that wrote the page.
        version: of covseg.
        started: when, UTC.
    """

    made_up: bool
    root: str
    command: str
    version: str
    started: str


@dataclass(frozen=True)
class Exploration:
    """A dataset, looked at.

    Attributes:
        store: its usable images.
        findings: all of them.
        families: numbers of rows that are copies of each other.
        nearest: pairs that come closest to being copies, the closest first.
        lung_tree: counts of *Lung Segmentation Data*, None where it is not there.
        statistics: of every image.
        mean_masks: by split, None for a split without infection.
        shortcuts: by ``OF_IMAGE`` and ``OF_BORDER``, None where it could not be fitted.
    """

    store: Store
    findings: list[Finding]
    families: list[list[int]]
    nearest: list[Lookalike]
    lung_tree: Counts | None
    statistics: Statistics
    mean_masks: Mapping[str, MeanMask | None]
    shortcuts: Mapping[str, Shortcut | None]

    @property
    def copies(self) -> list[Finding]:
        """The findings that are pairs of copies."""
        return [finding for finding in self.findings if finding.kind in COPIES]

    def seen_before(self, split: str, others: tuple[str, ...]) -> int:
        """Images of a split whose radiograph stands in one of the other splits as well."""
        rows = self.store.index.rows
        return sum(
            sum(rows[row].split == split for row in family)
            for family in self.families
            if any(rows[row].split in others for row in family)
        )
