"""Copies hang together in families; a leak is an image whose family was fitted on."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covseg.data import findings
from covseg.data.copies import Copies, families
from covseg.data.findings import COPIES, Finding
from covseg.errors import DataError
from listings import official, row

ROWS = [
    *(row("Test", "COVID-19", f"t{n}.png", "i", "m", None) for n in range(3)),
    *(row("Train", "COVID-19", f"f{n}.png", "i", "m", None) for n in range(4)),
]
INDEX = official(tuple(ROWS))


def copies(*pairs: tuple[int, int]) -> Copies:
    found = (Finding("near_duplicate", ROWS[a].key, ROWS[b].key, 0.98) for a, b in pairs)
    return Copies(INDEX, tuple(found))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=15))
def test_families_are_what_hangs_together(links):
    pairs = [(min(pair), max(pair)) for pair in links if pair[0] != pair[1]]
    by_hand = {row: {row} for pair in pairs for row in pair}
    for _ in by_hand:
        for a, b in pairs:
            by_hand[a] = by_hand[b] = by_hand[a] | by_hand[b]
    assert families(pairs) == sorted(
        {tuple(sorted(rows)): sorted(rows) for rows in by_hand.values()}.values()
    )


def test_a_copy_of_a_copy_leaks_as_well():
    known = copies((0, 1), (1, 3), (2, 6))  # t0 - t1 - f0, t2 - f3
    assert known.labels == [0, 0, 2, 0, 4, 5, 2]
    assert known.related([0, 1, 2], [3, 4, 5]) == {ROWS[0].key, ROWS[1].key}
    assert known.n_between([0, 1, 2], [3, 4, 5]) == 1
    assert known.n_between([3, 4, 5, 6], [0, 1, 2]) == 2
    assert known.related([0, 1, 2], [4, 5]) == set()


def test_only_copies_are_read_from_the_findings(tmp_path):
    a, b = ROWS[0].key, ROWS[3].key
    others = [Finding("odd_name", ("Val", "Normal", "gone.png")), Finding("masks_disagree", a, b)]
    of_copies = [Finding(kind, a, b, 1.0) for kind in COPIES]
    findings.write([*others, *of_copies], tmp_path / "findings.csv")
    assert list(Copies.read(tmp_path / "findings.csv", INDEX).findings) == of_copies


def test_findings_of_other_data_are_refused(tmp_path: Path):
    findings.write(
        [Finding("exact_duplicate", ROWS[0].key, ("Val", "Normal", "x.png"))], tmp_path / "f.csv"
    )
    with pytest.raises(DataError) as refusal:
        Copies.read(tmp_path / "f.csv", INDEX)
    assert "f.csv names Val/Normal/x.png, which is not in the data" in refusal.value.sentence


def test_a_patient_leaks_though_no_copies_are_known():
    rows = [replace(row, patient=name) for row, name in zip(ROWS, "aabbcdd", strict=True)]
    known = Copies(official(rows), (), searched=False)
    assert known.of_patients([0, 1, 2], [3, 4]) == {rows[2].key}
    assert known.related([0, 1, 2], [3, 4]) == {rows[2].key}
    assert known.of_patients([0, 1], [3, 4]) == set()
    assert copies().of_patients([0, 1, 2], [3, 4]) == set()
