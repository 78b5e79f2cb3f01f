"""Whatever folder or archive the files came in, the table is the same, or a sentence says why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.config.data import SPLITS
from covseg.data.index import Index, Row
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.errors import DataError
from listings import listed_paths

INFECTION, LUNG = "Infection Segmentation Data/", "Lung Segmentation Data/"
IMAGES = [
    "Train/COVID-19/covid_123.png",
    "Train/Non-COVID/non_COVID (123).png",
    "Train/Non-COVID/Non_COVID (12).png",
    "Val/Normal/Normal (123).png",
    "Test/COVID-19/covid_7.png",
]


def tree(prefix, images=IMAGES, kinds=("images", "infection masks", "lung masks")):
    parts = [image.split("/") for image in images]
    return [f"{prefix}{split}/{c}/{kind}/{name}" for split, c, name in parts for kind in kinds]


def lung_tree(prefix=LUNG * 2):
    return tree(prefix, [*IMAGES, "Train/Normal/Normal (9).png"], ("images", "lung masks"))


def read(paths, targets=("infection",)):
    return listed_paths(paths, targets)


def refusal(paths, targets=("infection",)):
    with pytest.raises(DataError) as caught:
        read(paths, targets)
    return str(caught.value)


def test_every_kind_of_file_name_becomes_a_row_with_the_paths_of_its_files():
    index = read(tree(INFECTION * 2))
    assert [(r.split, r.patient_class, r.name) for r in index.rows] == sorted(
        tuple(image.split("/")) for image in IMAGES
    )
    for row in index.rows:
        folder = f"{INFECTION * 2}{row.split}/{row.patient_class}"
        assert row.image == f"{folder}/images/{row.name}"
        assert row.masks["infection"] == (f"{folder}/infection masks/{row.name}",)
        assert row.masks["lung"] == (f"{folder}/lung masks/{row.name}",)
        assert [kind for kind, _ in row.files] == ["image", "infection", "lung"]


@pytest.mark.parametrize(
    "prefix", ["", INFECTION, INFECTION * 2, f"some/folders/deep/{INFECTION * 2}", "my data/"]
)
def test_doubled_flattened_and_nested_folders_hold_the_same_rows(prefix):
    index, other = read(tree(prefix)), read(tree(INFECTION * 2))
    names = [[(r.split, r.patient_class, r.name) for r in i.rows] for i in (index, other)]
    assert names[0] == names[1]
    assert index.counts() == other.counts()
    assert index.tree == "infection"


@pytest.mark.parametrize(
    ("targets", "expected", "n_rows"),
    [
        (["infection"], "infection", 5),
        (["lung"], "lung", 6),
        (["infection", "lung"], "infection", 5),
        (["lung", "infection"], "infection", 5),
    ],
)
def test_of_two_trees_the_target_chooses_one(targets, expected, n_rows):
    index = read(tree(INFECTION * 2) + lung_tree(), targets)
    assert index.tree == expected
    assert len(index.rows) == n_rows
    prefix = LUNG if expected == "lung" else INFECTION
    assert all(row.image.startswith(prefix) for row in index.rows)
    assert all(("infection" not in row.masks) == (expected == "lung") for row in index.rows)


def test_lungs_are_learned_from_the_infection_tree_where_it_is_alone():
    assert read(tree(INFECTION), ["lung"]).tree == "infection"


def test_infections_cannot_be_learned_from_the_lung_tree():
    assert INFECTION.rstrip("/") in refusal(lung_tree())


def test_an_infection_tree_without_lung_masks_is_enough_for_infections():
    paths = tree(INFECTION, kinds=("images", "infection masks"))
    assert all("lung" not in row.masks for row in read(paths).rows)
    assert "lung masks/" in refusal(paths, ["infection", "lung"])


@pytest.mark.parametrize("folder", ["images", "infection masks"])
@pytest.mark.parametrize("image", IMAGES)
def test_one_missing_file_is_named(folder, image):
    split, patient_class, name = image.split("/")
    path = f"{INFECTION * 2}{split}/{patient_class}/{folder}/{name}"
    paths = tree(INFECTION * 2)
    paths.remove(path)
    sentence = refusal(paths)
    assert sentence.startswith(f"here: {path} is missing")
    assert ("remove the image" in sentence) == (folder != "images")


@pytest.mark.parametrize("kind", ["infection masks", "lung masks"])
def test_a_mask_alone_is_a_missing_image(kind):
    stray = f"{INFECTION}Val/COVID-19/{kind}/covid_9.png"
    sentence = refusal([*tree(INFECTION), stray])
    assert f"Val/COVID-19/images/covid_9.png is missing, though {kind}/covid_9.png" in sentence


def test_equal_names_in_two_splits_or_classes_are_two_images():
    images = ["Train/Normal/a.png", "Val/Normal/a.png", "Val/COVID-19/a.png"]
    assert len(read(tree(INFECTION, images)).rows) == 3


def test_two_copies_are_refused_by_their_places():
    sentence = refusal(tree(INFECTION * 2) + tree("old/" + INFECTION))
    assert f"'{INFECTION * 2}'" in sentence
    assert f"'old/{INFECTION}'" in sentence


def test_a_second_copy_of_the_tree_that_is_not_used_does_not_disturb():
    paths = tree(INFECTION) + lung_tree() + lung_tree("old/" + LUNG)
    assert read(paths).tree == "infection"
    assert "two copies" in refusal(paths, ["lung"])


def test_other_files_are_passed_over():
    others = ["README.md", f"{INFECTION}Train/notes.txt", f"{INFECTION}Train/COVID-19/a.png"]
    others += [f"{INFECTION}Train/COVID-19/images/covid_1.jpg", f"{INFECTION}Extra/Normal/images/a"]
    assert read(others + tree(INFECTION)) == read(tree(INFECTION))


@pytest.mark.parametrize("folder", ["Train/Norml/images", "Val/Normal/heatmaps"])
def test_a_folder_that_the_layout_does_not_have_is_refused(folder):
    sentence = refusal([*tree(INFECTION), f"{INFECTION}{folder}/a.png"])
    assert sentence.startswith(f"here: {INFECTION}{folder} is not a folder of the dataset")


@pytest.mark.parametrize("paths", [[], ["a.png", "images/b.png", "Train/COVID-19/images/"]])
def test_nothing_of_the_layout_is_said_with_the_layout(paths):
    assert "here has no file of the layout" in refusal(paths)


@settings(max_examples=30, deadline=None)
@given(st.permutations(tree(INFECTION * 2) + lung_tree()))
def test_the_order_of_the_listing_does_not_matter(paths):
    for targets in (["infection"], ["lung"]):
        index = read(paths, targets)
        assert index == read(sorted(paths), targets)
        assert list(index.rows) == sorted(index.rows, key=lambda row: row.key)


def test_the_rows_of_splits_are_the_numbers_of_their_places():
    index = read(tree(INFECTION))
    assert [index.rows[n].split for n in index.of_split("Val")] == ["Val"]
    assert index.of_split("Test", "Train") == [0, 1, 2, 3]
    assert sorted(index.of_split(*SPLITS)) == list(range(5))
    assert index.of_split() == []


def test_counts_stand_for_every_split_and_class():
    assert read(tree(INFECTION)).counts() == {
        "Train": {"COVID-19": 1, "Non-COVID": 2, "Normal": 0},
        "Val": {"COVID-19": 0, "Non-COVID": 0, "Normal": 1},
        "Test": {"COVID-19": 1, "Non-COVID": 0, "Normal": 0},
    }


def test_the_classes_of_other_data_are_counted_too():
    places = (("Train", "tuberculosis"), ("Val", "healthy"), ("Train", "tuberculosis"))
    index = Index(tuple(Row(*p, f"{n}", "i") for n, p in enumerate(places)), ("lung",))
    assert index.classes == ("healthy", "tuberculosis")
    assert index.counts()["Train"] == {"healthy": 0, "tuberculosis": 2}
    assert read(tree(INFECTION, IMAGES[:1])).classes == ("COVID-19", "Non-COVID", "Normal")


def test_an_upper_case_suffix_is_a_png():
    index = read([path.replace(".png", ".PNG") for path in tree(INFECTION)])
    assert index.rows[0].name == "covid_7.PNG"
    assert len(index.rows) == 5


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, lambda p: p.replace("/images", "/Images")]
)
def test_folders_in_another_case_are_the_same_splits_and_classes(change):
    index = read([change(path) for path in tree(INFECTION)])
    assert {row.split for row in index.rows} <= set(SPLITS)
    assert {row.patient_class for row in index.rows} <= set(PATIENT_CLASSES)
    assert index.counts() == read(tree(INFECTION)).counts()


def test_the_lung_tree_in_another_case_is_not_taken_for_the_infection_tree():
    paths = tree(INFECTION) + [path.lower() for path in lung_tree()]
    assert len(read(paths).rows) == len(IMAGES)
