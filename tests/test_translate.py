"""``covseg.translate``: every way of averaging a run, and what a published pair can mean."""

import csv
from pathlib import Path

import pytest

from covseg.measure.conventions import CONVENTIONS


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_has_every_average_and_a_pair_every_reading(verb, finished_run, tmp_path):
    words = (f"run={finished_run}", "dice=88.21", "iou=83.05", "hydra.run.dir=made")
    done = verb("translate", *words)
    assert done.code == 0, done.err
    assert [row["average"] for row in rows(tmp_path / "made" / "conventions.csv")] == [*CONVENTIONS]
    readings = {row["average"]: row for row in rows(tmp_path / "made" / "published.csv")}
    assert readings["pooled"]["possible"] == "0"
    for name in CONVENTIONS:
        assert name in done.out
    assert "a pooled Dice of 0.8821" in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines()[:-1])) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "leaves nothing to do"),
        (("dice=0.8",), "is half of a pair"),
        (("dice=0.8", "iou=0.7", "n_positive=2000"), "is more than n_images=1166"),
        (("run=nowhere",), "has no per_image.csv"),
        (("dice=-1", "iou=0.7"), "dice=-1"),
    ],
)
def test_what_cannot_be_is_one_sentence(words, said, verb):
    done = verb("translate", *words)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert said in done.err
