"""Parts of a dataset share no radiograph, whatever families there are."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.copies import Copies
from covseg.data.division import N_FOLDS, Division
from covseg.data.findings import Finding
from listings import official, row

CLASSES, SPLITS = ("COVID-19", "Non-COVID", "Normal"), ("Test", "Train", "Val")
HOLDOUT, PAPER = (["Train"], "Val"), (["Train", "Val"], None)
EARLIER = {"Train": 0, "Val": 1, "Test": 2}


@st.composite
def datasets(draw: st.DrawFn) -> Copies:
    """Images of any split and class, and pairs of them."""
    places = draw(
        st.lists(st.tuples(st.sampled_from(SPLITS), st.sampled_from(CLASSES)), max_size=60)
    )
    names = sorted((*place, f"{n}.png") for n, place in enumerate(places))
    rows = tuple(row(*name, "image", "mask", None) for name in names)
    number = st.integers(0, max(len(rows) - 1, 0))
    links = draw(st.lists(st.tuples(number, number), max_size=20)) if rows else []
    found = [Finding("near_duplicate", rows[a].key, rows[b].key) for a, b in links if a != b]
    return Copies(official(rows), tuple(found))


@given(datasets())
def test_without_copies_no_part_shares_a_radiograph_and_the_last_copies_stay(copies):
    rows = copies.index.rows
    division = Division.without_copies(copies, *HOLDOUT)
    families = copies.families
    for family in families:
        kept = [row for row in family if division.parts[row] != "excluded"]
        last = max((rows[row].split for row in family), key=EARLIER.__getitem__)
        assert kept == [row for row in family if rows[row].split == last]
    loners = set(range(len(rows))) - {row for family in families for row in family}
    assert all(division.parts[row] == rows[row].split for row in loners)
    n_excluded = Counter(division.parts)["excluded"]
    assert sum(division.excluded().values()) == n_excluded


@given(datasets())
def test_paper_leaves_test_whole_and_fits_copies_of_both_its_splits(copies):
    rows = copies.index.rows
    division = Division.without_copies(copies, *PAPER)
    of_test = {row for row, place in enumerate(rows) if place.split == "Test"}
    assert set(division.rows("Test")) == of_test
    for family in copies.families:
        excluded = {row for row in family if division.parts[row] == "excluded"}
        assert excluded == (set(family) - of_test if of_test & set(family) else set())


@given(datasets())
def test_folds_hold_every_image_once_and_keep_families_together(copies):
    rows = copies.index.rows
    folds = [Division.folded(copies, fold) for fold in range(N_FOLDS)]
    reported = [set(division.rows("fold")) for division in folds]
    assert sorted(row for of_fold in reported for row in of_fold) == list(range(len(rows)))
    for division, of_fold in zip(folds, reported, strict=True):
        assert set(division.rows("others")) == set(range(len(rows))) - of_fold
        for family in copies.families:
            assert set(family) <= of_fold or not of_fold & set(family)


@settings(max_examples=20)
@given(st.integers(6, 40), st.integers(6, 40))
def test_every_fold_has_its_fifth_of_every_class(n_covid, n_normal):
    places = [("COVID-19", n) for n in range(n_covid)] + [("Normal", n) for n in range(n_normal)]
    rows = tuple(row("Train", c, f"{n:03}.png", "i", "m", None) for c, n in places)
    pair = Finding("exact_duplicate", rows[0].key, rows[1].key)
    copies = Copies(official(rows), (pair,))
    sizes = [
        Counter(rows[row].patient_class for row in Division.folded(copies, fold).rows("fold"))
        for fold in range(N_FOLDS)
    ]
    for patient_class in ("COVID-19", "Normal"):
        of_class = [size[patient_class] for size in sizes]
        assert max(of_class) - min(of_class) <= 1


def test_a_class_that_a_part_lacks_is_named():
    rows = (row("Train", "Normal", "a.png", "i", "m", None),)
    division = Division.official(official(rows))
    assert division.absent_classes("Train") == ["COVID-19", "Non-COVID"]
    assert division.absent_classes("Val") == list(CLASSES)


@given(datasets(), st.sets(st.sampled_from(CLASSES), min_size=1))
def test_fitted_classes_leave_every_other_part_whole(copies, classes):
    before = Division.without_copies(copies, *HOLDOUT)
    after = before.fitting_only(classes, ["Train"])
    rows = copies.index.rows
    of_class = [row for row in before.rows("Train") if rows[row].patient_class in classes]
    assert after.rows("Train") == of_class
    for part in ("Val", "Test", "excluded"):
        assert after.rows(part) == before.rows(part)
    assert after.excluded() == before.excluded()
    for part in SPLITS:
        assert after.absent_classes(part) == before.absent_classes(part)


@given(datasets(), st.sets(st.sampled_from(CLASSES), min_size=1), st.integers(0, N_FOLDS - 1))
def test_fitted_classes_leave_the_reported_fold_whole(copies, classes, fold):
    before = Division.folded(copies, fold)
    after = before.fitting_only(classes, ["others"])
    assert after.rows("fold") == before.rows("fold")
    assert {copies.index.rows[row].patient_class for row in after.rows("others")} <= classes
    assert after.absent_classes("others") == before.absent_classes("others")
