"""Which images weights have been fitted on, through any number of runs and datasets."""

import dataclasses

import numpy as np
import pytest

from covseg.data.fitted import Fitted
from covseg.data.store import Store
from covseg.errors import RunError
from listings import official, row


def store(pixels: dict[str, int], split: str = "Train") -> Store:
    """A dataset in memory: name -> the grey of its every pixel."""
    rows = tuple(row(split, "Normal", name, name, None, None) for name in sorted(pixels))
    greys = [pixels[row.name] for row in rows]
    images = np.array(greys, np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    return Store(official(rows), "", images, {})


def test_what_is_written_comes_back(tmp_path):
    fitted = Fitted().with_rows(store({"a,b.png": 1, 'Ä "c".png': 2}), [0, 1])
    fitted.write(tmp_path / "fitted.csv")
    assert Fitted.read(tmp_path / "fitted.csv") == fitted
    assert len(fitted.images) == 2


def test_a_row_is_known_by_its_name_and_pixels():
    data = store({"a": 1, "b": 2, "c": 3})
    assert Fitted().with_rows(data, [0, 2]).rows(data) == {0, 2}


def test_the_twin_of_a_fitted_image_in_the_same_dataset_was_not_fitted():
    data = store({"a": 1, "twin of a": 1, "c": 3})
    assert Fitted().with_rows(data, [0]).rows(data) == {0}


def test_another_image_of_the_same_name_was_not_fitted():
    assert Fitted().with_rows(store({"a": 1}), [0]).rows(store({"a": 2})) == set()


def test_an_image_is_known_under_another_name_in_another_split_and_dataset():
    before = Fitted().with_rows(store({"a": 1, "b": 2}), [0, 1])
    other = store({"x": 7, "renamed": 2, "twin": 2}, split="Test")
    names = {other.index.rows[row].name for row in before.rows(other)}
    assert names == {"renamed", "twin"}


def test_the_same_bytes_in_another_shape_are_another_image():
    data = store({"a": 1})
    flat = dataclasses.replace(data, images=data.images.reshape(1, 2, 8))
    assert Fitted().with_rows(data, [0]).rows(flat) == set()


def test_a_chain_of_runs_knows_every_image_of_each():
    first, second = store({"a": 1, "b": 2}), store({"c": 3, "d": 4})
    chain = Fitted().with_rows(first, [0]).with_rows(second, [1])
    assert chain.rows(first) == {0}
    assert chain.rows(second) == {1}


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "cannot be read"),
        ("", "has other columns"),
        ("split,class,name\n", "has other columns"),
        ("split,class,name,content\nTrain,Normal,a\n", "has other columns"),
        (b"\xff\xfe", "cannot be read"),
        ("split,class,name,content\n", "is truncated"),
        ("split,class,name,content\nTrain,Normal,a,0\n", "is truncated"),
        ("split,class,name,content\nTrain,Normal,a,0\ntotal,,,2\n", "is truncated"),
    ],
)
def test_a_file_that_does_not_say_it_is_refused_by_name(content, cause, tmp_path):
    path = tmp_path / "fitted.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError, match=f"fitted.csv {cause}"):
        Fitted.read(path)


def test_a_part_of_a_file_is_never_believed(tmp_path):
    path = tmp_path / "fitted.csv"
    Fitted().with_rows(store({"a": 1, "b": 2, "c": 3}), [0, 1, 2]).write(path)
    content = path.read_bytes()
    whole = len(content.rstrip())  # the end of the last line says nothing
    for length in range(whole):
        path.write_bytes(content[:length])
        with pytest.raises(RunError):
            Fitted.read(path)
