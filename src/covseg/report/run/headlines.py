"""What the numbers of a run mean, as the first sentences of its page."""

from collections.abc import Iterator

from covseg.measure.scores import SCORES
from covseg.measure.summary import Summary
from covseg.report.html.environment import percent
from covseg.report.result import RunResult
from covseg.report.run.score_rows import best_baseline

_FEW = 20  # images, of which an interval says too little
_COMPARED = {"dice_positive": "Dice of positive images", "rmse_per_image": "RMSE per image"}


def headlines(result: RunResult, target: str, part: Summary) -> list[str]:
    """Sentences, the most important first."""
    return [
        *(_against_baselines(part)),
        *(_images(part)),
        *(_threshold(result, target)),
        "On average over all pixels, the probability is off by "
        f"{result.histograms[target].calibration_error:.3f} (calibration error).",
    ]


def _against_baselines(part: Summary) -> Iterator[str]:
    for score, name in _COMPARED.items():
        entry, baseline = part["scores"][score], best_baseline(part, score, SCORES[score])
        if entry["value"] is None or baseline is None or part["n_images"] < _FEW:
            continue
        low_is_good = SCORES[score].low_is_good
        better = entry["high"] < baseline[1] if low_is_good else entry["low"] > baseline[1]
        worse = entry["low"] > baseline[1] if low_is_good else entry["high"] < baseline[1]
        told = "better than" if better else "worse than" if worse else "not distinguishable from"
        yield (
            f"{name}: {entry['value']:.3f} ({entry['low']:.3f} to {entry['high']:.3f}), {told} the "
            f"best baseline ({baseline[0]}: {baseline[1]:.3f})."
        )


def _images(part: Summary) -> Iterator[str]:
    alarms, missed = (part["scores"][name]["value"] for name in ("false_alarm_rate", "miss_rate"))
    n_negative = part["n_images"] - part["n_positive"]
    if alarms is not None:
        yield (
            f"In {percent(alarms)} of the {n_negative:,} negative images at least one pixel is "
            "predicted."
        )
    if missed is not None:
        yield (
            f"In {percent(missed)} of the {part['n_positive']:,} positive images no pixel is "
            "predicted."
        )


def _threshold(result: RunResult, target: str) -> Iterator[str]:
    if chosen_on := result.summary.get("chosen_on"):
        reported = ", which is reported here" if chosen_on == result.split else ""
        yield f"The threshold {result.threshold:g} was chosen on {chosen_on}{reported}."
        return
    choice = result.choice(target)
    if choice is None:
        return
    if choice == result.threshold:
        yield f"{result.selects} would choose this threshold as well."
        return
    there = result.thresholds[result.split, target].at(choice)["dice_positive"]
    at_it = "" if there is None else f", where the Dice of positive images is {there:.3f}"
    yield (
        f"By the Dice of all its pixels, {result.selects} would choose the threshold {choice:g}"
        f"{at_it}."
    )
