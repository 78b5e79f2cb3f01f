"""Every refusal is one sentence: place, cause, remedy."""

import pickle
import signal
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from covseg.errors import (
    ConfigError,
    CovsegError,
    DataError,
    RunError,
    Stopped,
    TrainingError,
    nearest,
    nearest_key,
    setting,
)


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


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (0.5, "0.5"),
        ([0, [None, False]], "[0,[null,false]]"),
        ({"a": {"b": True}}, "{a:{b:true}}"),
    ],
)
def test_a_value_is_written_as_a_command_line_has_it(value, written):
    assert setting("key", value) == f"key={written}"
    parsed = OverridesParser.create().parse_override(f"key={written}")
    assert parsed.value() == value


KEYS = ["seed", "model", "model.depth", "data.batch_size", "trainer.max_epochs", "logger"]


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("model.dpth", "did you mean model.depth"),
        ("batch_size", "did you mean data.batch_size"),
        ("trainer.batch_size", "did you mean data.batch_size"),
        ("epochs", "did you mean trainer.max_epochs"),
        ("trainer.logger", "did you mean logger"),
        ("model.xyz", "choose from depth"),
    ],
)
def test_an_unknown_key_is_looked_for_beside_and_then_elsewhere(key, remedy):
    assert nearest_key(key, KEYS) == remedy


def test_what_stopped_a_run_is_in_the_exit_code():
    assert Stopped(signal.SIGINT).exit_code == 130  # what shells expect behind Ctrl-C
    from_a_cluster = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    assert {Stopped(number).exit_code for number in from_a_cluster} == {75}  # start me again
    assert Stopped(signal.SIGTERM).sentence == "stopped by SIGTERM"
