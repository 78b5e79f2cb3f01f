"""The made-up dataset is drawn once for its settings."""

from pathlib import Path

import pytest

import covseg.data.phantom.dataset as module
from covseg.config.data import PhantomData
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.phantom.dataset import phantom_root
from covseg.errors import DataError
from listings import listed_paths

SETTINGS = PhantomData(seed=1, n_images={"Train": 4, "Val": 1}, lung_tree=False)
OTHERS = {
    "seed": SETTINGS.model_copy(update={"seed": 2}),
    "number of images": SETTINGS.model_copy(update={"n_images": {"Train": 5, "Val": 1}}),
    "splits": SETTINGS.model_copy(update={"n_images": {"Train": 4, "Test": 1}}),
    "trees": SETTINGS.model_copy(update={"lung_tree": True}),
}


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.png")}


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    phantom_root(SETTINGS, folder)
    return folder


def test_it_is_drawn_once_and_then_reused(cache, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("drawn again")

    before = phantom_root(SETTINGS, cache)
    content = files(before)
    monkeypatch.setattr(module, "draw", refuse)
    assert phantom_root(SETTINGS.model_copy(), cache) == before
    assert files(before) == content
    assert len(content) == 3 * 5
    with pytest.raises(AssertionError, match="drawn again"):
        phantom_root(OTHERS["seed"], cache)


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings_are_another_folder(name, cache):
    root, other = phantom_root(SETTINGS, cache), phantom_root(OTHERS[name], cache)
    assert other != root
    assert files(other) != files(root)


def test_the_same_settings_draw_the_same_files_elsewhere(cache, tmp_path):
    root = phantom_root(SETTINGS, tmp_path / "not/yet/there")
    assert files(root) == files(phantom_root(SETTINGS, cache))


@pytest.mark.parametrize(("lung_tree", "tree"), [(True, "lung"), (False, "infection")])
def test_the_lung_tree_is_there_when_it_is_asked_for(lung_tree, tree, cache):
    settings = SETTINGS.model_copy(update={"lung_tree": lung_tree})
    names = locate(phantom_root(settings, cache)).names()
    index = listed_paths(names, ["lung"])
    assert index.tree == tree
    assert len(index.rows) == 5
    assert listed_paths(names).tree == "infection"


def test_drawing_that_fails_leaves_nothing_to_reuse(tmp_path, monkeypatch):
    calls = []

    def fail_late(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise RuntimeError("stopped")
        return draw(*arguments)

    draw = module.draw
    monkeypatch.setattr(module, "draw", fail_late)
    with pytest.raises(RuntimeError, match="stopped"):
        phantom_root(SETTINGS, tmp_path)
    monkeypatch.undo()
    assert len(files(phantom_root(SETTINGS, tmp_path))) == 15


def test_a_cache_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data.cache_dir=.* cannot be written"):
        phantom_root(SETTINGS, tmp_path / "file")
