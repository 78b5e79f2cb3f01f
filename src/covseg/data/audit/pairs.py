"""Pairs of copies as findings."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from covseg.data.audit.duplicates import Pair
from covseg.data.findings import Finding
from covseg.data.index import Row
from covseg.data.store import Store


def of_pairs(pairs: Iterable[Pair], rows: Sequence[Row]) -> list[Finding]:
    """A finding for each pair of copies."""
    return [
        Finding(
            f"{pair.kind}_duplicate{'_mirrored' if pair.mirrored else ''}",
            rows[pair.first].key,
            rows[pair.second].key,
            pair.correlation,
        )
        for pair in pairs
    ]


def disagreements(pairs: Sequence[Pair], store: Store) -> Iterator[Finding]:
    """Pairs of copies whose infection masks differ, with the Dice of the two masks.

    Aligned pairs are left out: their masks are not aligned.
    """
    rows, masks = store.index.rows, store.masks["infection"]
    for pair in pairs:
        if pair.kind == "aligned":
            continue
        one, other = masks[pair.first], masks[pair.second]
        other = other[:, ::-1] if pair.mirrored else other
        total = int(one.sum()) + int(other.sum())
        if not np.array_equal(one, other):
            dice = 2 * int((one & other).sum()) / total
            yield Finding("masks_disagree", rows[pair.first].key, rows[pair.second].key, dice)
