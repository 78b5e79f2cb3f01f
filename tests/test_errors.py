"""Every refusal is one sentence: place, cause, remedy."""

import pickle
from pathlib import Path

import pytest

from covseg.errors import ConfigError, CovsegError, DataError, RunError, TrainingError, nearest


@pytest.mark.parametrize("kind", [ConfigError, DataError, RunError, TrainingError])
def test_an_error_is_one_sentence_of_place_cause_and_remedy(kind):
    error = kind(Path("a/b.ckpt"), "is missing", "copy it again")
    assert str(error) == error.sentence == "a/b.ckpt is missing: copy it again."
    assert isinstance(error, CovsegError)


def test_a_remedy_that_asks_ends_with_a_question_mark():
    error = ConfigError("loss=bxe", "is not there to choose", nearest("bxe", ["bce", "focal"]))
    assert str(error) == "loss=bxe is not there to choose: did you mean bce?"


def test_a_full_stop_inside_stays():
    error = RunError("a.png", "has 1.5 times too much", "lower optimizer.lr, see conf/train.yaml")
    assert str(error) == "a.png has 1.5 times too much: lower optimizer.lr, see conf/train.yaml."


def test_an_error_travels_between_processes():
    error = pickle.loads(pickle.dumps(TrainingError("the loss", "is nan", "lower it")))
    assert type(error) is TrainingError
    assert str(error) == "the loss is nan: lower it."
    assert type(error)(*error.args).sentence == error.sentence


@pytest.mark.parametrize(
    ("word", "choices", "remedy"),
    [
        ("max_epoch", ["min_epochs", "max_epochs", "seed"], "did you mean max_epochs"),
        ("bxe", ["bce", "focal"], "did you mean bce"),
        ("xyz", ["focal", "bce"], "choose from bce, focal"),
        ("xyz", [f"{n:02}" for n in range(20)], "choose from 00, 01, 02, 03, 04, 05, 06, "),
        ("xyz", [f"{n:02}" for n in range(21)], "see --help"),
        ("xyz", [], "see --help"),
        ("bce", iter(["focal", "bce"]), "did you mean bce"),
    ],
)
def test_the_remedy_names_the_nearest_choice_or_all_where_they_are_few(word, choices, remedy):
    found = nearest(word, choices)
    assert found.startswith(remedy) if remedy.endswith(", ") else found == remedy
