"""Whether an evaluation gives the run's own numbers again; a summary can be edited by hand."""

import logging
import math
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from covseg.config.train import Train
from covseg.measure.summary import Summary, by_target
from covseg.run.folder.reading import read_json

log = logging.getLogger(__name__)

_ROUNDING = 1e-6
_OTHER_ROUNDING = 1e-2  # of another machine, version, precision or batch size
# the objective is of Val, which is not always scored; leaks are not always known, nor are copies,
# which widen intervals
_APART = {"split", "fold", "excluded", "fitted_before", "objective", "without_leaks"}
_UNNAMED = {"scores", "baselines", "by_class", "targets", "value"}  # levels that name no score


def compare(run: Path, own: Train, changed: Train, split: str, out: Path) -> None:
    """Say in one line of the log whether the run's ``summary.json`` came out again.

    Nothing is said where the evaluation asks for something else than the run reported.

    Args:
        run: the run folder.
        own: its configuration.
        changed: the configuration of this evaluation.
        split: that was scored.
        out: the folder of this evaluation, with its summary and provenance.
    """
    if split != own.protocol.report or not _same_question(own, changed):
        return
    found, path = read_json(out / "summary.json"), run / "summary.json"
    try:
        before, after = (read_json(folder / "provenance.json") for folder in (run, out))
        if before["data"]["fingerprint"] != after["data"]["fingerprint"]:
            return
        same_machine = all(before[part] == after[part] for part in ("hardware", "versions"))
    except (OSError, ValueError, LookupError, TypeError):
        log.warning(
            "%s is missing or damaged, so nothing says whether %s is of the same data",
            run / "provenance.json",
            path.name,
        )
        return
    try:
        known = any(part["without_leaks"] is not None for part in by_target(found).values())
        other_widths = known != (run / "findings.csv").exists()
        apart = _APART | {"low", "high"} if other_widths else _APART
        differences = sorted(_differences(read_json(path), found, apart), reverse=True)
    except (OSError, ValueError, LookupError, TypeError):
        log.warning(
            "%s is missing or not as covseg writes it, so this evaluation stands alone", path
        )
        return
    alike = same_machine and own.data.batch_size == changed.data.batch_size
    alike = alike and own.trainer == changed.trainer
    _say(path, differences, _ROUNDING if alike else _OTHER_ROUNDING)


def _same_question(own: Train, changed: Train) -> bool:
    """Whether the same images are scored with the same checkpoint, threshold and size."""
    limits = ("limit_test_batches", "fast_dev_run")
    same_images = all(getattr(own.trainer, n) == getattr(changed.trainer, n) for n in limits)
    return own.protocol == changed.protocol and same_images


def _differences(
    theirs: Any, ours: Summary, apart: Set[str]
) -> Iterator[tuple[float, str, str, str]]:
    """For every number of a summary: difference, name, what the run says, what comes out."""
    numbers, expected = dict(_numbers(theirs, (), apart)), dict(_numbers(ours, (), apart))
    if numbers.keys() != expected.keys():
        raise LookupError("another shape")
    for path, value in expected.items():
        name = "/".join(part for part in path if part not in _UNNAMED)
        said = numbers[path]
        if said is None or value is None:
            difference = 0.0 if said is value else math.inf
        else:
            difference = abs(said - value)
            difference = math.inf if math.isnan(difference) else difference
        yield difference, name, _shown(said), _shown(value)


def _numbers(
    part: Any, path: tuple[str, ...], apart: Set[str]
) -> Iterator[tuple[tuple[str, ...], float | None]]:
    """Every number below ``part`` but what is set apart."""
    if isinstance(part, dict):
        for name, inside in part.items():
            if name not in apart:
                yield from _numbers(inside, (*path, str(name)), apart)
    elif part is None or (isinstance(part, int | float) and not isinstance(part, bool)):
        yield path, part
    else:
        raise TypeError("no number")


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.4f}"


def _say(path: Path, differences: list[tuple[float, str, str, str]], rounding: float) -> None:
    largest, name, said, found = differences[0]
    if largest <= rounding:
        log.info("the numbers of %s came out again; largest difference %.1g", path, largest)
        return
    if said == found:  # it shows only in further digits
        found += f", {largest:.1g} apart"
    n_wrong = sum(difference > rounding for difference, *_ in differences)
    log.warning(
        "%s says %s %s where its checkpoint gives %s: %s; trust this evaluation",
        *(path, name, said, found),
        "1 number differs" if n_wrong == 1 else f"{n_wrong} numbers differ",
    )
