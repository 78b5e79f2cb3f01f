"""Masks of copies are compared."""

import pytest

from covseg.data.audit.duplicates import Pair
from covseg.data.audit.pairs import disagreements
from covseg.data.store import Store


@pytest.mark.parametrize("mirrored", [False, True])
def test_masks_of_copies_are_compared(store: Store, mirrored: bool) -> None:
    first, second = store.index.of_split("Train")[:2]  # any two: the pair says that they are copies
    [finding] = disagreements([Pair(first, second, "near", mirrored, 0.98)], store)
    one, other = (store.masks["infection"][row] > 0 for row in (first, second))
    other = other[:, ::-1] if mirrored else other
    assert (finding.a, finding.b) == tuple(store.index.rows[row].key for row in (first, second))
    assert finding.value == pytest.approx(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_masks_of_aligned_copies_do_not_lie_over_each_other(store: Store) -> None:
    assert list(disagreements([Pair(0, 1, "aligned", False, 0.98)], store)) == []
