"""What an evaluation says of the summary that a run came with."""

import json
import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs import reproduction
from covseg.run.verbs.request import Request


@dataclass(frozen=True)
class Pair:
    """A run that may have been edited, and its evaluation."""

    run: Path
    out: Path
    caplog: pytest.LogCaptureFixture

    def edit(self, name: str, apply: Callable[[Any], object]) -> None:
        found = json.loads((self.run / name).read_text())
        apply(found)
        (self.run / name).write_text(json.dumps(found))

    def said(self, split: str = "Test", **changes: dict[str, object]) -> tuple[int, str] | None:
        run = RunFolder(self.run)
        own = run.config
        parts = {
            name: getattr(own, name).model_copy(update=update) for name, update in changes.items()
        }
        with self.caplog.at_level(logging.INFO, "covseg.run.verbs.reproduction"):
            changed = own.model_copy(update=parts)
            request = Request(run, changed, split, run.best, other_place=False)
            reproduction.compare(request, RunFolder(self.out))
        if not self.caplog.records:
            return None
        [record] = self.caplog.records
        return record.levelno, record.getMessage()


@pytest.fixture
def pair(finished_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Pair:
    """Twice the same run."""
    run, out = (Path(shutil.copytree(finished_run, tmp_path / name)) for name in ("run", "out"))
    return Pair(run, out, caplog)


def other_machine(pair: Pair) -> None:
    pair.edit("provenance.json", lambda found: found["hardware"].update(cpu_cores=1000))


def move(amount: float) -> Callable[[Any], object]:
    def apply(summary: Any) -> None:
        summary["scores"]["mae"]["value"] += amount

    return apply


def test_the_same_numbers_are_said_to_be_the_same(pair):
    level, text = pair.said()
    assert level == logging.INFO
    assert text.endswith("summary.json were reproduced; largest difference 0")


@pytest.mark.parametrize(
    ("amount", "elsewhere", "warned"),
    [
        (1e-9, False, False),
        (1e-5, False, True),
        (1e-5, True, False),
        (0.2, True, True),
        (math.nan, True, True),
        (math.inf, True, True),
    ],
)
def test_another_machine_may_round_otherwise(amount, elsewhere, warned, pair):
    pair.edit("summary.json", move(amount))
    if elsewhere:
        other_machine(pair)
    level, text = pair.said()
    assert level == (logging.WARNING if warned else logging.INFO)
    assert not warned or "summary.json has mae " in text


def test_the_largest_difference_is_named_and_all_are_counted(pair):
    pair.edit("summary.json", move(0.1))
    pair.edit("summary.json", lambda s: s["baselines"]["mean_mask"]["scores"].update(mae=5.0))
    pair.edit("summary.json", lambda s: s["by_class"]["Normal"]["mae"].update(low=0.5))
    _, text = pair.said()
    assert "has mean_mask/mae 5.0000 where its checkpoint gives 0." in text
    assert text.endswith(": 3 numbers differ; trust this evaluation")


def test_a_difference_in_further_digits_is_shown(pair):
    pair.edit("summary.json", move(2e-6))
    _, text = pair.said()
    assert ", 2e-06 apart: 1 number differs" in text


@pytest.mark.parametrize(("before", "after"), [(None, "null"), (0.5, "0.5000")])
def test_an_undefined_score_is_a_value_of_its_own(before, after, pair):
    place = {None: ("COVID-19", "dice_positive"), 0.5: ("Normal", "dice_positive")}[before]
    pair.edit("summary.json", lambda s: s["by_class"][place[0]][place[1]].update(value=before))
    level, text = pair.said()
    assert level == logging.WARNING
    assert f"has {'/'.join(place)} {after} where its checkpoint gives" in text


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "a folder": lambda path: [path.unlink(), path.mkdir()],
    "empty": lambda path: path.write_text(""),
    "half": lambda path: path.write_text(path.read_text()[:500]),
    "brackets": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[1, 2]"),
    "another mapping": lambda path: path.write_text('{"scores": {"mae": 5}}'),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "huge": lambda path: path.write_text(" " * 10_000_001),
}
SUMMARIES: dict[str, Callable[[Any], object]] = {
    "a score less": lambda s: s["scores"].pop("mae"),
    "a score more": lambda s: s["scores"].update(accuracy={"value": 1.0}),
    "a class less": lambda s: s["by_class"].pop("Normal"),
    "a word": lambda s: s["scores"]["mae"].update(value="good"),
    "true": lambda s: s["scores"]["mae"].update(value=True),
    "a list inside": lambda s: s.update(scores=[1, 2]),
}


@pytest.mark.parametrize("name", ["summary.json", "provenance.json"])
@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_and_believed_in_nothing(spoil, name, pair):
    spoil(pair.run / name)
    level, text = pair.said()
    assert level == logging.WARNING
    assert text.startswith(f"{pair.run / name} is missing or ")


@pytest.mark.parametrize("apply", SUMMARIES.values(), ids=SUMMARIES)
def test_a_summary_of_another_shape_is_not_compared(apply, pair):
    pair.edit("summary.json", apply)
    level, text = pair.said()
    assert level == logging.WARNING
    assert (
        "is missing or not as covseg writes it, so this evaluation is compared with nothing" in text
    )


OTHER: dict[str, dict[str, Any]] = {
    "another split": {"split": "Val"},
    "another threshold": {"protocol": {"threshold": 0.3}},
    "another checkpoint": {"protocol": {"checkpoint": "last"}},
    "fewer images": {"trainer": {"limit_test_batches": 1}},
}


@pytest.mark.parametrize("asked", OTHER.values(), ids=OTHER)
def test_nothing_is_said_where_something_else_was_asked(asked, pair):
    pair.edit("summary.json", move(0.5))
    assert pair.said(**asked) is None


def test_nothing_is_said_of_other_data(pair):
    pair.edit("summary.json", move(0.5))
    pair.edit("provenance.json", lambda found: found["data"].update(fingerprint="0" * 8))
    assert pair.said() is None


@pytest.mark.parametrize(
    "asked",
    [{"data": {"batch_size": 2}}, {"trainer": {"precision": "64-true"}}],
    ids=["another batch size", "another precision"],
)
def test_another_way_of_computing_may_round_otherwise(asked, pair):
    pair.edit("summary.json", move(1e-4))
    level, _ = pair.said(**asked)
    assert level == logging.INFO
