"""Whether an evaluation reproduces the run's own numbers; a summary can be edited by hand."""

import contextlib
import logging
import math
from collections.abc import Set
from typing import Any

from covseg.config.conf import flatten
from covseg.errors import CovsegError
from covseg.measure.summary import by_target
from covseg.run.folder.json_file import read_json
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.request import Request

log = logging.getLogger(__name__)

_ROUNDING = 1e-6
_OTHER_ROUNDING = 1e-2  # of another machine, version, precision or batch size
# the objective is of Val, which is not always scored; leaks are not always known, nor are copies,
# which widen intervals
_APART = {"split", "fold", "chosen_on", "excluded", "fitted_before", "objective", "without_leaks"}
_UNNAMED = {"scores", "baselines", "by_class", "targets", "value"}  # levels that name no score


def compare(request: Request, out: RunFolder) -> None:
    """Log in one line whether the run's ``summary.json`` was reproduced.

    Nothing is logged where the evaluation asks for something else than the run reported.

    Args:
        request: of the evaluation.
        out: its folder, with its summary and provenance.
    """
    run, own = request.run, request.run.config
    if request.others or request.split != own.protocol.report or not _same_question(request):
        return
    summary = read_json(out.summary)
    try:
        before, after = (read_json(folder.provenance) for folder in (run, out))
        if before["data"]["fingerprint"] != after["data"]["fingerprint"]:
            return
        same_machine = all(before[part] == after[part] for part in ("hardware", "versions"))
    except (OSError, ValueError, LookupError, TypeError):
        log.warning(
            "%s is missing or damaged, so it is unknown whether %s is of the same data",
            run.provenance,
            run.summary.name,
        )
        return
    known = any(part["without_leaks"] is not None for part in by_target(summary).values())
    apart = _APART | {"low", "high"} if known != run.findings.exists() else _APART
    try:
        theirs, ours = (_numbers(values, apart) for values in (read_json(run.summary), summary))
        if theirs.keys() != ours.keys():
            raise LookupError("other keys")
    except (OSError, ValueError, LookupError, TypeError):
        log.warning(
            "%s is missing or not as covseg writes it, so this evaluation is compared with nothing",
            run.summary,
        )
        return
    alike = same_machine and own.data.batch_size == request.config.data.batch_size
    alike = alike and own.trainer == request.config.trainer
    _report(run, theirs, ours, _ROUNDING if alike else _OTHER_ROUNDING)


def _same_question(request: Request) -> bool:
    """Whether the same images are scored with the same checkpoint, threshold and size."""
    own, now = request.run.config, request.config
    limits = ("limit_test_batches", "fast_dev_run")
    same_images = all(getattr(own.trainer, n) == getattr(now.trainer, n) for n in limits)
    with contextlib.suppress(CovsegError):  # the run has not chosen a threshold yet
        return request.run.protocol == now.protocol and same_images
    return False


def _numbers(summary: Any, apart: Set[str]) -> dict[str, float | None]:
    """The numbers of a summary by their dotted keys, without those that are set apart."""
    numbers = {}
    for key, value in flatten(summary).items():
        if apart.isdisjoint(key.split(".")):
            if isinstance(value, bool | str | dict | list):
                raise TypeError("no number")
            numbers[key] = value
    return numbers


def _report(
    run: RunFolder,
    theirs: dict[str, float | None],
    ours: dict[str, float | None],
    rounding: float,
) -> None:
    distances = {key: _distance(theirs[key], ours[key]) for key in ours}
    worst = max(distances, key=lambda key: distances[key])
    if (largest := distances[worst]) <= rounding:
        log.info("the numbers of %s were reproduced; largest difference %.1g", run.summary, largest)
        return
    name = "/".join(part for part in worst.split(".") if part not in _UNNAMED)
    before, now = _shown(theirs[worst]), _shown(ours[worst])
    if before == now:  # they differ only in further digits
        now += f", {largest:.1g} apart"
    n_wrong = sum(distance > rounding for distance in distances.values())
    log.warning(
        "%s has %s %s where its checkpoint gives %s: %s; trust this evaluation",
        *(run.summary, name, before, now),
        "1 number differs" if n_wrong == 1 else f"{n_wrong} numbers differ",
    )


def _distance(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    distance = abs(one - other)
    return math.inf if math.isnan(distance) else distance


def _shown(value: float | None) -> str:
    return "null" if value is None else f"{value:.4f}"
