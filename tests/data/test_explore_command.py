"""The command that covseg recommends explores the data of this configuration, and no other."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import composed
from covseg.config.data import Dataset
from covseg.config.explore import Explore
from covseg.data.explore_command import explore_command
from covseg.validation import check

Configured = Callable[..., Dataset]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """The overrides of a command -> its data."""

    def make(*overrides: str) -> Dataset:
        cache = f"data.cache_dir={tmp_path}/cache"
        return check(Explore, composed("explore", [cache, *overrides])).data

    return make


def again(command: str) -> Dataset:
    """What a user gets who types the command."""
    python, module, verb, *words = shlex.split(command)
    assert (python, module, verb) == ("python", "-m", "covseg.explore")
    return check(Explore, composed("explore", words)).data


MASK = "data.masks.lung='masks/{name}*'"
FOLDER = ("data=folder", "data.root=own", "data.images='images/{name}.png'", MASK)
OVERRIDES: dict[str, tuple[str, ...]] = {
    "COVID-QU-Ex": ("data.root=archive.zip",),
    "COVID-QU-Ex, downloaded": ("data.download=true", "data.root=data"),
    "phantom": ("data=phantom", "data.phantom.seed=3", "data.phantom.n_images={Train:8,Test:4}"),
    "phantom with lungs": ("data=phantom", "data.phantom.lung_tree=true"),
    "a table": ("data=table", "data.root=rows.csv"),
    "a table with rules": (
        *("data=table", "data.root=rows.csv", "data.without_mask=drop", "data.store_size=512"),
        *("data.mask_values={lung:[1,2],infection:[3]}", "data.mask_threshold=128"),
    ),
    "a folder": FOLDER,
    "a folder with left and right": (
        *FOLDER[:3],
        "data.masks.lung=['left/{name}.png','right/{name} mask.png']",
    ),
    "a folder with a target of another name": (*FOLDER, "+data.masks.heart='hearts/{name}'"),
    "a folder without quotes": (*FOLDER[:2], "data.images=images/*", MASK),
    "a folder with an empty mask": (*FOLDER, "data.without_mask=empty"),
    "classes": (*FOLDER, "data.classes={sick:Pneumonia,well:No finding}"),
    "Montgomery": ("data=montgomery", "data.root=own"),
    "Montgomery of another size": ("data=montgomery", "data.root=own", "data.store_size=2048"),
    "Montgomery as it is": ("data=montgomery", "data.root=own", "data.store_size=null"),
    "Shenzhen without classes": ("data=shenzhen", "data.root=own", "data.classes=null"),
    "Shenzhen": ("data=shenzhen", "data.root=own", "data.without_mask=empty"),
    "QaTa": ("data=qata_cov19", "data.root=own"),
    "QaTa without a threshold": ("data=qata_cov19", "data.root=own", "data.mask_threshold=null"),
    "QaTa with another threshold": ("data=qata_cov19", "data.root=own", "data.mask_threshold=1"),
    "the radiography database": ("data=radiography", "data.root=own"),
    "a mask less": ("data=montgomery", "data.root=own", MASK, "data.masks.infection=null"),
    "a name of its own": ("data=table", "data.root=rows.csv", "data.name=mine"),
}


@pytest.mark.parametrize("case", OVERRIDES)
def test_the_command_has_the_data_of_the_configuration(case, configured):
    data = configured(*OVERRIDES[case])
    found = again(explore_command(data))
    assert found.model_dump(exclude={"name"}) == data.model_dump(exclude={"name"})
    assert found.name == data.name or data.name == "mine"


CHANGES: dict[str, dict[str, object]] = {
    "classes that are numbers": {"classes": {"0": "Normal", "1": "Tuberculosis"}},
    "classes with spaces": {"classes": {"Viral Pneumonia": "Viral pneumonia"}},
    "classes that read otherwise": {"classes": {"a": "yes", "b": "null", "c": "1e3", "d": "7"}},
    "quotes": {"images": "it's \"the\" {name}.png"},
    "backslashes": {"images": "a\\b\\{name}\\"},
    "no masks of a target": {"masks": {"lung": ["{name}.png"], "infection": None}},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_the_command_has_what_a_file_of_options_says(change, configured):
    """As a preset of the user's own can have it."""
    data = Dataset.model_validate(configured(*FOLDER).model_dump() | CHANGES[change])
    assert again(explore_command(data)) == data


def test_a_preset_is_named_and_not_written_out(configured):
    command = explore_command(configured("data=montgomery", "data.root=own"))
    assert "data=montgomery" in command
    assert "data.masks" not in command
    assert "data.store_size" not in command


def test_quotes_are_only_where_they_are_needed(configured, tmp_path):
    data = configured("data=table", "data.root=/own/rows.csv", "data.store_size=512")
    assert explore_command(data) == (
        f"python -m covseg.explore data.cache_dir={tmp_path}/cache data=table "
        "data.store_size=512 data.root=/own/rows.csv"
    )


PLACES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.text(
    "ab \\\"'=,{}[]()$:#&~", min_size=1, max_size=8
)


@settings(max_examples=50, deadline=None)
@given(PLACES)
def test_a_folder_of_any_name_is_read_back(name):
    data = Dataset(name="table", layout="table", root=f"/own/{name}", cache_dir="/cache")
    words = shlex.split(explore_command(data))[3:]
    parsed = {
        override.get_key_element(): override.value()
        for override in map(OverridesParser.create().parse_override, words)
    }
    assert parsed["data.root"] == data.root
