"""Drawn splits have their shares of everything, share no radiograph or patient, and stay."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.copies import Copies
from covseg.data.drawn_split import (
    SHARES,
    check_lacking,
    draw_splits,
    read_split,
    strata,
    write_split,
)
from covseg.data.findings import Finding
from covseg.data.index import Index, Row
from covseg.data.store import Store
from covseg.errors import ConfigError, DataError, RunError

CLASSES = ("Normal", "Pneumonia")
Strata = list[tuple[str, int]]


def index(places: list[tuple[str, str, str | None]], targets: tuple[str, ...] = ("lung",)) -> Index:
    """Images of these splits, classes and patients."""
    rows = (
        Row(split, patient_class, f"{n:04}", f"{n}.png", {}, patient)
        for n, (split, patient_class, patient) in enumerate(places)
    )
    return Index(tuple(sorted(rows, key=lambda row: row.key)), targets)


def without_copies(places: list[tuple[str, str, str | None]]) -> Copies:
    return Copies(index(places), ())


def by_class(copies: Copies) -> Strata:
    return [(row.patient_class, 0) for row in copies.index.rows]


@st.composite
def datasets(draw: st.DrawFn, splits: tuple[str, ...] = ("all",)) -> tuple[Copies, Strata]:
    """Images with patients, pairs of copies and strata."""
    patients = st.none() | st.sampled_from([f"p{n}" for n in range(15)])
    place = st.tuples(st.sampled_from(splits), st.sampled_from(CLASSES), patients)
    of_index = index(draw(st.lists(place, min_size=1, max_size=60)))
    rows = of_index.rows
    number = st.integers(0, len(rows) - 1)
    pairs = draw(st.lists(st.tuples(number, number), max_size=15))
    found = [Finding("near_duplicate", rows[a].key, rows[b].key) for a, b in pairs if a != b]
    sizes = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    return Copies(of_index, tuple(found)), [
        (row.patient_class, size) for row, size in zip(rows, sizes, strict=True)
    ]


# --- what is drawn


@given(datasets(), st.integers(0, 9))
def test_families_and_patients_stay_together(dataset, seed):
    copies, of_rows = dataset
    parts = draw_splits(copies, of_rows, seed)
    assert set(parts) <= set(SHARES)
    number = copies.index.numbers()
    for pair in copies.findings:
        assert parts[number[pair.a]] == parts[number[pair.b]]
    by_patient: dict[str, set[str]] = {}
    for row, part in zip(copies.index.rows, parts, strict=True):
        if row.patient is not None:
            by_patient.setdefault(row.patient, set()).add(part)
    assert all(len(of_patient) == 1 for of_patient in by_patient.values())


@settings(max_examples=30)
@given(st.lists(st.integers(10, 120), min_size=1, max_size=8), st.integers(0, 9))
def test_every_stratum_is_divided_by_the_shares(counts, seed):
    """To within two images: each part gets one before any gets its second."""
    of_images = [(f"class {n}", 0) for n, count in enumerate(counts) for _ in range(count)]
    copies = without_copies([("all", patient_class, None) for patient_class, _ in of_images])
    drawn = Counter(zip(by_class(copies), draw_splits(copies, by_class(copies), seed), strict=True))
    for n, count in enumerate(counts):
        for part, share in SHARES.items():
            assert drawn[(f"class {n}", 0), part] == pytest.approx(share * count, abs=2)


@pytest.mark.parametrize("seed", range(3))
def test_patients_with_several_images_are_divided_by_the_shares_too(seed):
    rng = np.random.default_rng(seed)
    places = [
        ("all", CLASSES[p % 2], f"p{p}") for p in range(200) for _ in range(rng.integers(1, 6))
    ]
    copies = without_copies(places)
    of_rows = by_class(copies)
    counts = Counter(zip(of_rows, draw_splits(copies, of_rows, seed), strict=True))
    for stratum, n_images in Counter(of_rows).items():
        for part, share in SHARES.items():
            assert counts[stratum, part] / n_images == pytest.approx(share, abs=0.02)


def test_sizes_that_are_rare_in_a_class_are_divided_with_the_class():
    """Protects: of 300 images of a hospital, a class has few of each size."""
    of_rows = [(CLASSES[n // 30], n % 6) for n in range(60)]  # in their order
    copies = without_copies([("all", patient_class, None) for patient_class, _ in of_rows])
    counts = Counter(zip(by_class(copies), draw_splits(copies, of_rows, 0), strict=True))
    for patient_class in CLASSES:
        of_class = {part: counts[(patient_class, 0), part] for part in SHARES}
        assert of_class == pytest.approx({"Train": 19.2, "Val": 4.8, "Test": 6}, abs=1)


@pytest.mark.parametrize("n_strata", [1, 4, 12, 20])
def test_many_strata_leave_the_shares_of_the_whole(n_strata):
    """Protects: small strata do not each give an image too many to Val and Test."""
    copies = without_copies([("all", f"class {n % n_strata}", None) for n in range(60)])
    counts = Counter(draw_splits(copies, by_class(copies), 0))
    for part, share in SHARES.items():
        assert counts[part] / 60 == pytest.approx(share, abs=0.07)


def test_a_part_is_empty_only_if_there_are_fewer_images_than_parts():
    for n_images in range(1, 6):
        copies = without_copies([("all", "Normal", None)] * n_images)
        assert len(set(draw_splits(copies, by_class(copies), 0))) == min(n_images, 3)


@given(datasets(), st.integers(0, 9))
def test_the_same_seed_draws_the_same(dataset, seed):
    copies, of_rows = dataset
    again = Copies(copies.index, copies.findings[::-1])
    assert draw_splits(copies, of_rows, seed) == draw_splits(again, of_rows, seed)


def test_another_seed_draws_another_split():
    copies = without_copies([("all", CLASSES[n % 2], None) for n in range(60)])
    drawn = {tuple(draw_splits(copies, by_class(copies), seed)) for seed in range(5)}
    assert len(drawn) == 5


def test_a_split_is_known_by_its_seed_on_every_machine():
    """Protects: split_seed=0 means the same in every version, or results cannot be compared."""
    copies = without_copies([("all", "Normal", None)] * 12)
    parts = draw_splits(copies, by_class(copies), 0)
    assert [row for row, part in enumerate(parts) if part == "Val"] == [0, 6]
    assert [row for row, part in enumerate(parts) if part == "Test"] == [3, 5, 11]


# --- splits that the data has


@given(datasets(("Train", "Test")), st.integers(0, 9))
def test_what_is_in_test_stays_and_val_comes_out_of_train(dataset, seed):
    copies, of_rows = dataset
    both = _has(copies, "Train") and _has(copies, "Test")
    parts = draw_splits(copies, of_rows, seed) if both else []
    for row, part in zip(copies.index.rows, parts, strict=False):
        assert part == "Test" if row.split == "Test" else part in {"Train", "Val"}


def _has(copies: Copies, split: str) -> bool:
    return any(row.split == split for row in copies.index.rows)


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"Train": 100, "Test": 30}, {"Train": 80, "Val": 20, "Test": 30}),
        ({"Train": 84, "Val": 30}, {"Train": 64, "Val": 30, "Test": 20}),
        ({"Train": 100}, {"Train": 64, "Val": 16, "Test": 20}),
        ({"all": 100}, {"Train": 64, "Val": 16, "Test": 20}),
    ],
)
def test_only_what_is_lacking_is_drawn_from_train(splits, expected):
    copies = without_copies(
        [(split, "Normal", None) for split, n in splits.items() for _ in range(n)]
    )
    parts = draw_splits(copies, by_class(copies), 0)
    counts = Counter(parts)
    assert {part: counts[part] for part in expected} == pytest.approx(expected, abs=1)
    for row, part in zip(copies.index.rows, parts, strict=True):
        assert row.split in {"all", "Train"} or part == row.split


def test_data_with_all_splits_has_nothing_to_draw():
    copies = without_copies([(split, "Normal", None) for split in SHARES])
    words = r"data\.split=auto has nothing to draw: the data has Train, Val and Test: leave it out"
    with pytest.raises(ConfigError, match=words):
        draw_splits(copies, by_class(copies), 0)
    assert check_lacking(["Train", "Val"]) == ["Test"]
    assert check_lacking(["all"]) == ["Val", "Test"]


# --- strata


def stored(shares: list[float], targets: tuple[str, ...], classes: list[str]) -> Store:
    """A store whose masks have these shares of 100 pixels."""
    masks = [np.arange(100).reshape(10, 10) < round(share * 100) for share in shares]
    planes = np.stack(masks).astype(np.uint8)
    empty = np.ones_like(planes)
    of_targets = {target: empty if target == "lung" else planes for target in targets}
    if targets == ("lung",):
        of_targets = {"lung": planes}
    places: list[tuple[str, str, str | None]] = [("all", name, None) for name in classes]
    return Store(index(places, targets), "", planes, of_targets)


@pytest.mark.parametrize("targets", [("lung",), ("infection",), ("lung", "infection")])
def test_sizes_are_thirds_of_the_lesions_and_none(targets):
    shares = [0, 0.02, 0.03, 0.1, 0.2, 0.5, 0.6, 0, 0]
    found = strata(stored(shares, targets, ["Normal"] * len(shares)))
    assert found == [("Normal", size) for size in (0, 1, 1, 2, 2, 3, 3, 0, 0)]


def test_classes_are_strata_of_their_own():
    found = strata(stored([0, 0, 0.5], ("infection",), ["a", "b", "b"]))
    assert found[:2] == [("a", 0), ("b", 0)]
    assert found[2][0] == "b"
    assert found[2][1] > 0


def test_data_without_any_lesion_has_strata_too():
    assert strata(stored([0, 0], ("infection",), ["a", "a"])) == [("a", 0), ("a", 0)]


# --- the file


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=8, unique=True),
    parts=st.lists(st.sampled_from([*SHARES]), min_size=8, max_size=8),
)
def test_a_written_split_is_read_back(names, parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("split") / "split.csv"
    rows = (Row("all", patient_class, name, "x") for patient_class, name in sorted(names))
    of_index = Index(tuple(rows), ("lung",))
    write_split(path, of_index, parts[: len(names)])
    assert read_split(path, of_index) == parts[: len(names)]


@pytest.fixture
def file(tmp_path: Path) -> tuple[Path, Index]:
    of_index = index([("all", "Normal", None)] * 4)
    write_split(tmp_path / "split.csv", of_index, ["Train", "Val", "Test", "Train"])
    return tmp_path / "split.csv", of_index


def test_the_order_of_lines_and_a_mark_do_not_matter(file):
    path, of_index = file
    header, *lines = path.read_text().splitlines()
    path.write_bytes(b"\xef\xbb\xbf" + "\n".join([header, *lines[::-1], "", ""]).encode())
    assert read_split(path, of_index) == ["Train", "Val", "Test", "Train"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("0001,Val", "0001,Vall", "has the part Vall, expected one of Train, Val, Test"),
        ("0001,Val", "0001,excluded", "has the part excluded, expected one of Train"),
        ("0001,Val", "0007,Val", "and the data differ: only one of them has all/Normal/0001"),
        ("all,Normal,0001,Val", "", "and the data differ: only one of them has all/Normal/0001"),
        (
            "0003,Train",
            "0003,Train\nall,Normal,0009,Train",
            "and the data differ: only one of them has all",
        ),
        ("all,Normal,0001", "Train,Normal,0001", "and the data differ: only one of them has "),
        ("0001,Val", "0001", "has other columns than split,class,name,part"),
        ("part", "parts", "has other columns than split,class,name,part"),
    ],
)
def test_a_split_of_other_data_is_refused(before, after, words, file):
    path, of_index = file
    path.write_text(path.read_text().replace("\r", "").replace(before, after))
    with pytest.raises((DataError, RunError)) as caught:
        read_split(path, of_index)
    assert str(caught.value).startswith(f"{path} {words}")
    assert str(caught.value).endswith(": use the split.csv of a run on this data.")


def test_an_image_in_two_parts_is_refused(file):
    """Protects: of two lines of one image, neither is taken without a word."""
    path, of_index = file
    path.write_text(path.read_text() + "all,Normal,0001,Test\n")
    with pytest.raises((DataError, RunError)):
        read_split(path, of_index)


def test_a_split_that_is_missing_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"split\.csv cannot be read"):
        read_split(tmp_path / "split.csv", index([("all", "Normal", None)]))


def test_without_an_image_of_train_there_is_nothing_to_draw_from():
    with pytest.raises(ConfigError, match=r"has nothing to draw from: all images are of Test or V"):
        check_lacking(["Test", "Val"])
