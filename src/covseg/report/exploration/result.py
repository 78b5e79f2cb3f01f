"""The result of ``covseg.explore``: everything that its tables and its page show."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from covseg.data.audit.duplicates import Lookalike
from covseg.data.audit.mean_masks import MeanMask
from covseg.data.audit.statistics import Statistics
from covseg.data.findings import COPIES, Finding
from covseg.data.layouts.covid_qu_ex.names import PUBLISHED, PUBLISHED_LUNG, TREES
from covseg.data.store import Store
from covseg.measure.shortcuts import Shortcut
from covseg.report.findings_table import ImageCounts, Tree

OF_IMAGE, OF_BORDER = "20 global statistics", "the border alone"  # inputs of the classifier


@dataclass(frozen=True)
class Exploration:
    """The result of exploring a dataset."""

    store: Store  # the usable images
    findings: list[Finding]
    families: list[list[int]]  # rows that are copies of each other, at least two per family
    nearest: list[Lookalike]  # pairs that are almost copies, the closest first
    lung_tree: ImageCounts | None  # None if Lung Segmentation Data is missing
    statistics: Statistics
    mean_masks: Mapping[str, MeanMask | None]  # by split, None without infection
    shortcuts: Mapping[str, Shortcut | None]  # by OF_IMAGE and OF_BORDER, None if not fitted

    @property
    def copies(self) -> list[Finding]:
        """The findings that are pairs of copies."""
        return [finding for finding in self.findings if finding.kind in COPIES]

    @property
    def trees(self) -> list[Tree]:
        """The trees that are there."""
        if not self.store.index.tree:
            return [Tree("images", self.store.index.counts(), None)]
        trees = [Tree(TREES["infection"], self.store.index.counts(), PUBLISHED)]
        if self.lung_tree is not None:
            trees.append(Tree(TREES["lung"], self.lung_tree, PUBLISHED_LUNG))
        return trees

    def seen_before(self, split: str, others: Collection[str]) -> int:
        """Number of images of a split with a copy in one of the other splits."""
        rows = self.store.index.rows
        return sum(
            sum(rows[row].split == split for row in family)
            for family in self.families
            if any(rows[row].split in others for row in family)
        )
