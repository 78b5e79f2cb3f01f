"""A table is read as it was written, and a wrong line is named with what to do about it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.config.data import Dataset
from covseg.csv_files import write_csv
from covseg.data.layouts.table import table, write_table
from covseg.data.listing import Listing
from covseg.data.store import open_store
from covseg.errors import CovsegError, DataError, DataMissing
from listings import write_square

SIDE = 16
Listed = Callable[..., Listing]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and masks of three people: nobody writes to them."""
    folder = tmp_path_factory.mktemp("own")
    for n, name in enumerate(("a", "b", "c")):
        write_square(folder / f"images/{name}.png", 50 + n)
        write_square(folder / f"left/{name}.png", 255)
        write_square(folder / f"right/{name}.png", 255, left=9)
    (folder / "images/notes.txt").touch()
    return folder


@pytest.fixture
def listed(own: Path) -> Listed:
    """The lines of a table -> what is listed of it."""

    def make(*lines: str, mark: bytes = b"", **more: Any) -> Listing:
        path = own / "rows.csv"
        path.write_bytes(mark + "".join(f"{line}\n" for line in lines).encode())
        values = {"name": "table", "layout": "table", "root": str(path), "cache_dir": str(own)}
        return table(Dataset(**values | more))

    return make


@pytest.fixture
def refused(listed: Listed) -> Callable[..., str]:
    """The lines of a table -> the sentence that refuses it."""

    def make(*lines: str, **more: Any) -> str:
        with pytest.raises(CovsegError) as caught:
            listed(*lines, **more)
        return str(caught.value)

    return make


# --- what is read


def test_every_column_is_where_it_belongs(listed, own):
    listing = listed(
        "image,name,split,patient,patient_class,infection,lung",
        "images/b.png,second,Val,p2,sick,left/b.png,left/b.png|right/b.png",
        "images/a.png,first,Train,p1,well,left/a.png,left/a.png | right/a.png",
    )
    first, second = listing.index.rows
    assert first.key == ("Train", "well", "first")
    assert second.key == ("Val", "sick", "second")
    assert (first.patient, second.patient) == ("p1", "p2")
    assert first.image == "images/a.png"
    both = {"infection": ("left/a.png",), "lung": ("left/a.png", "right/a.png")}
    assert first.masks == both
    assert listing.index.targets == ("infection", "lung")
    assert listing.missing == listing.ignored == ()
    assert not listing.reading.strict


def test_without_name_split_class_and_patient_a_row_has_the_stem_of_its_file(listed):
    listing = listed("lung,image", "left/a.png,images/a.png", "left/b.png,images/b.png")
    assert [row.key for row in listing.index.rows] == [("all", "all", "a"), ("all", "all", "b")]
    assert {row.patient for row in listing.index.rows} == {None}
    assert listing.index.splits == listing.index.classes == ("all",)


PLAIN = ("image,patient,lung", "images/a.png,p1,left/a.png", "images/b.png,p2,left/b.png")


@pytest.mark.parametrize(
    ("lines", "mark"),
    [
        (PLAIN, b"\xef\xbb\xbf"),
        ((PLAIN[0], "", *PLAIN[1:], "", ",,", ""), b""),
        (tuple(f"{line}\r" for line in PLAIN), b""),
        (tuple(line.replace(",", " , ") for line in PLAIN), b""),
        (tuple(",".join(f'"{cell}"' for cell in line.split(",")) for line in PLAIN), b""),
    ],
    ids=["mark", "blank lines", "Windows", "spaces", "quotes"],
)
def test_a_table_is_the_same_however_a_program_writes_it(lines, mark, listed):
    expected, found = listed(*PLAIN), listed(*lines, mark=mark)
    assert found.index == expected.index
    assert found.fingerprint == expected.fingerprint


def test_columns_without_a_picture_are_ignored(listed):
    listing = listed(
        "id,image,age,remark,empty,lung",
        "1,images/a.png,70,seen.twice,,left/a.png",
        "2,images/b.png,,a.png is the other one.,,left/b.png",
    )
    assert listing.index.targets == ("lung",)
    assert [set(row.masks) for row in listing.index.rows] == [{"lung"}, {"lung"}]


@pytest.mark.parametrize(
    ("written", "split"),
    [
        *(("train", "Train"), ("TRAINING", "Train"), ("val", "Val"), ("Valid", "Val")),
        *(("validation", "Val"), ("test", "Test"), ("testing", "Test"), ("Test", "Test")),
    ],
)
def test_splits_are_known_by_their_usual_names(written, split, listed):
    listing = listed("image,split,lung", f"images/a.png,{written},left/a.png")
    assert [row.split for row in listing.index.rows] == [split]


def test_classes_are_shown_under_other_names(listed):
    listing = listed(
        *("image,patient_class,lung", "images/a.png,1,left/a.png", "images/b.png,2,left/b.png"),
        classes={"1": "Tuberculosis"},
    )
    assert listing.index.classes == ("2", "Tuberculosis")


def test_a_path_may_be_absolute(listed, own, tmp_path):
    write_square(tmp_path / "elsewhere.png", 255)
    listing = listed("image,lung", f"{own}/images/a.png,{tmp_path}/elsewhere.png")
    [row] = listing.index.rows
    assert row.name == "a"
    assert open_store(listing, tmp_path).masks["lung"][0].sum() == 16


def test_parts_of_a_mask_are_joined_in_the_store(listed, tmp_path):
    listing = listed("image,lung", "images/a.png,left/a.png|right/a.png")
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[4:8, 4:8] = expected[4:8, 9:13] = 1
    assert np.array_equal(open_store(listing, tmp_path).masks["lung"][0], expected)


# --- images without a mask


HALF = ("image,lung", "images/a.png,left/a.png", "images/b.png,")


def test_an_image_without_a_mask_is_refused_only_if_the_target_is_asked_for(listed):
    listing = listed(f"{HALF[0]},infection", f"{HALF[1]},left/a.png", f"{HALF[2]},left/b.png")
    listing.check(["infection"])
    with pytest.raises(DataError, match=r"rows\.csv, line 3 has no mask of lung: .*{lung:drop}"):
        listing.check(["lung"])


def test_an_image_without_a_mask_is_dropped(listed):
    listing = listed(*HALF, without_mask="drop")
    assert [row.name for row in listing.index.rows] == ["a"]
    assert listing.n_dropped == 1
    listing.check(["lung"])


def test_an_image_without_a_mask_has_nothing_to_mark(listed, tmp_path):
    lines = (f"{HALF[0]},infection", f"{HALF[1]},left/a.png", f"{HALF[2]},")
    listing = listed(*lines, without_mask="empty")
    assert listing.index.rows[1].masks == {"infection": ()}  # nobody is without lungs
    listing.check(["infection"])
    masks = open_store(listing, tmp_path).masks
    assert [mask.any() for mask in masks["infection"]] == [True, False]
    with pytest.raises(DataError, match="line 3 has no mask of lung: add it, or set"):
        listing.check(["lung"])
    listed(*lines, without_mask={"lung": "empty"}).check(["lung"])


def test_what_is_left_out_depends_on_the_target(listed):
    lines = ("image,lung,infection", "images/a.png,left/a.png,", "images/b.png,,left/b.png")
    listing = listed(*lines, without_mask={"lung": "drop", "infection": "empty"})
    assert [(row.name, row.masks["infection"]) for row in listing.index.rows] == [("a", ())]


# --- what is refused: where, what, and what to do

REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "no column image": (
        ("images,lung", "images/a.png,left/a.png"),
        "rows.csv has no column image; its columns are images, lung: ",
    ),
    "semicolons": (
        ("image;lung", "images/a.png;left/a.png"),
        "rows.csv has no column image; its columns are image;lung: save it with commas",
    ),
    "two columns of one name": (
        ("image,lung,lung", "images/a.png,left/a.png,left/a.png"),
        "rows.csv has two columns lung: rename one",
    ),
    "no line": (("image,lung", ""), "rows.csv has no row below its header: set data.root="),
    "nothing": ((), "rows.csv has no row below its header: set data.root="),
    "a comma in a cell": (
        ("image,age,lung", "images/a.png,70,left/a.png", "images/b.png,70,5,left/b.png"),
        "rows.csv, line 3 has 4 cells, and the header has 3: put cells with a comma",
    ),
    "a missing cell": (
        ("image,age,lung", "", "images/a.png,70"),
        "rows.csv, line 3 has 2 cells, and the header has 3: put cells",
    ),
    "no image": (
        ("image,lung", "images/a.png,left/a.png", ",left/b.png"),
        "rows.csv, line 3 names no image: fill the column image, or remove the line",
    ),
    "an image that is not there": (
        ("image,lung", "images/a.png,left/a.png", "", "images/d.png,left/b.png"),
        "rows.csv, line 4 names images/d.png, which is not a file: paths are relative to /",
    ),
    "a part of a mask that is not there": (
        ("image,lung", "images/a.png,left/a.png|right/d.png"),
        "rows.csv, line 2 names right/d.png, which is not a file: paths are relative to /",
    ),
    "a folder": (("image,lung", "images,left/a.png"), "line 2 names images, which is not a file"),
    "a word among masks": (
        ("image,lung", "images/a.png,left/a.png", "images/b.png,none"),
        "rows.csv, line 3 has none in the column lung, which is not the path of a picture: leave",
    ),
    "a part without a name": (
        ("image,lung", "images/a.png,left/a.png", "images/b.png,left/b.png|"),
        "rows.csv, line 3 has left/b.png| in the column lung, which is not the path of a picture",
    ),
    "no masks": (
        ("image,age", "images/a.png,70"),
        "rows.csv has no column with the paths of masks: add one, named as its target",
    ),
    "a split that does not exist": (
        ("image,split,lung", "images/a.png,Trane,left/a.png"),
        "rows.csv, line 2 has the split Trane, which covseg does not know: did you mean Train?",
    ),
    "a split for some": (
        ("image,split,lung", "images/a.png,Train,left/a.png", "images/b.png,,left/b.png"),
        "rows.csv, line 3 has no split, and others have one: give every image a split, or none",
    ),
    "a class for some": (
        ("image,patient_class,lung", "images/a.png,,left/a.png", "images/b.png,1,left/b.png"),
        "rows.csv, line 2 has no patient_class, and others have one: give every image",
    ),
    "a patient for some": (
        ("image,patient,lung", "images/a.png,1,left/a.png", "images/b.png,,left/b.png"),
        "rows.csv, line 3 has no patient, and others have one: give every image",
    ),
    "an image twice": (
        ("image,name,lung", "images/a.png,a,left/a.png", "images/a.png,b,left/b.png"),
        "rows.csv, line 3 has the image of ",
    ),
    "a name twice": (
        ("image,name,lung", "images/a.png,a,left/a.png", "images/b.png,a,left/b.png"),
        "rows.csv, line 3 has the name of ",
    ),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_mistake_is_named_with_its_place_and_its_remedy(mistake, refused, own):
    lines, words = REFUSED[mistake]
    sentence = refused(*lines)
    assert words in sentence
    assert sentence.startswith(str(own))


def test_two_of_one_kind_are_named_both(refused, own):
    lines, _ = REFUSED["a name twice"]
    expected = f"the name of {own}/rows.csv, line 2 (all/all/a): give each image a name of its own"
    assert expected in refused(*lines)


def test_every_image_dropped_is_refused(refused):
    lines = ("image,lung,infection", "images/a.png,left/a.png,", "images/b.png,,left/b.png")
    words = "has no image with a mask of lung and infection: set data.without_mask=refuse"
    assert words in refused(*lines, without_mask="drop")


@pytest.mark.parametrize("content", [b"PK\x03\x04\xff\xfe", b"\xff\xfei\x00m\x00"])
def test_what_is_no_table_is_refused(content, own, tmp_path):
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"rows\.csv is not UTF-8 .*: save it as CSV UTF-8"):
        table(Dataset(name="t", layout="table", root=str(tmp_path / "rows.csv"), cache_dir="c"))


def test_a_folder_or_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a CSV file"):
        table(Dataset(name="t", layout="table", root=str(tmp_path), cache_dir="c"))
    with pytest.raises(DataMissing, match=r"does not exist: set data\.root= to a CSV file"):
        table(Dataset(name="t", layout="table", root=str(tmp_path / "no.csv"), cache_dir="c"))


@pytest.mark.parametrize("column", ["lung/left", "../../lung", "lung mask", "1"])
def test_a_column_of_masks_whose_name_can_be_no_target_is_refused(column, refused):
    """Protects: it would become the name of a file in the store, and no key could name it."""
    assert column in refused(f"image,{column}", "images/a.png,left/a.png")


# --- writing it again


def test_a_written_table_is_read_back(listed, tmp_path):
    before = listed(
        "image,name,split,patient,patient_class,infection,lung",
        'images/a.png,"first, of two",Train,p1,well,left/a.png,left/a.png|right/a.png',
        "images/b.png,second,Test,p2,sick,,left/b.png",
    )
    write_table(before, tmp_path / "again.csv")
    after = table(
        Dataset(name="t", layout="table", root=str(tmp_path / "again.csv"), cache_dir="c")
    )
    assert [row.key for row in after.index.rows] == [row.key for row in before.index.rows]
    assert [row.patient for row in after.index.rows] == ["p2", "p1"]
    assert after.index.targets == before.index.targets
    assert after.fingerprint == before.fingerprint


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(NAMES, min_size=2, max_size=2, unique=True), patient_class=NAMES, patient=NAMES
)
def test_any_name_class_and_patient_is_read_as_it_is(names, patient_class, patient, own):
    lines = [
        (f"images/{file}.png", name, patient_class, patient, f"left/{file}.png")
        for file, name in zip("ab", names, strict=True)
    ]
    path = own / "drawn.csv"
    write_csv(path, ("image", "name", "patient_class", "patient", "lung"), lines)
    listing = table(Dataset(name="t", layout="table", root=str(path), cache_dir="c"))
    expected = sorted(("all", patient_class, name) for name in names)
    assert [row.key for row in listing.index.rows] == expected
    assert {row.patient for row in listing.index.rows} == {patient}


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        *(("Image", "image"), ("SPLIT", "split"), ("Patient", "patient")),
        *(("patient_id", "patient"), ("Patient ID", "patient"), ("patient class", "patient_class")),
    ],
)
def test_a_column_that_is_almost_a_known_one_is_not_ignored(column, meant, refused):
    """Protects: ignoring it would divide the images of a person, or draw splits anew."""
    header = "lung,x" if meant == "image" else "image,lung"
    assert f"has a column {column}: rename it to {meant}" in refused(f"{header},{column}", "a,b,c")


def test_other_columns_are_named(listed):
    listing = listed("image,age,lung,sex", "images/a.png,4,left/a.png,F")
    assert listing.ignored_columns == ("age", "sex")


def test_quotes_after_a_space_are_quotes(listed):
    listing = listed('"image" , "split", "lung"', '"images/a.png", "Train", "left/a.png"')
    assert [(row.image, row.split) for row in listing.index.rows] == [("images/a.png", "Train")]


@pytest.mark.parametrize("again", ["images/a.png", "./images/a.png", "left/../images/a.png"])
def test_one_file_is_one_image_however_it_is_written(again, refused):
    lines = ("image,split,lung", "images/a.png,Train,left/a.png", f"{again},Test,right/a.png")
    assert "has the image of" in refused(*lines)


@pytest.mark.parametrize("cell", ["left/a.png", "./left/a.png", "right/b.png|left/a.png"])
def test_one_mask_belongs_to_one_image(cell, refused):
    assert "has the mask of" in refused(
        "image,lung", "images/a.png,left/a.png", f"images/b.png,{cell}"
    )


def test_a_mask_is_no_part_of_itself(refused):
    assert "has the mask of" in refused("image,lung", "images/a.png,left/a.png|left/a.png")


def test_a_path_that_is_too_long_is_not_a_file(refused):
    long = f"{'x' * 300}.png"
    assert f"names {long}, which is not a file" in refused("image,lung", f"{long},left/a.png")


def test_a_name_of_numbers_is_a_whole_name(own, listed):
    """Protects: DICOM files that are named by their unique identifiers have no ending."""
    for n in (0, 1):
        shutil.copy(own / f"images/{'ab'[n]}.png", own / f"1.2.840.{n}")
    listing = listed("image,lung", "1.2.840.0,left/a.png", "1.2.840.1,left/b.png")
    assert [row.name for row in listing.index.rows] == ["1.2.840.0", "1.2.840.1"]


def test_values_of_a_target_that_is_none_are_refused(refused):
    words = refused("image,lung", "images/a.png,left/a.png", mask_values={"lungs": [1]})
    assert "names lungs, of which" in words
