"""The sentences at the top of the page."""

from collections.abc import Iterator

from covseg.report.exploration.result import Exploration
from covseg.report.html.environment import percent


def headlines(result: Exploration) -> list[str]:
    """What the numbers mean, the most important sentences first."""
    sentences = [*_leaks(result), *_masks(result), *_shortcuts(result), *_damage(result)]
    return sentences or ["No problems were detected that would affect training on this data."]


def _leaks(result: Exploration) -> Iterator[str]:
    n_images = len(result.store.index.of_split("Test"))
    if n_seen := result.seen_before("Test", ("Train", "Val")):
        yield (
            f"{n_seen:,} of the {n_images:,} Test images ({percent(n_seen / n_images)}) show a "
            "radiograph that is also in Train or Val. A score on Test is partly a score on "
            "images seen in training."
        )
    elif n_images:
        yield "No radiograph of Test is also in Train or Val."
    if n_seen := result.seen_before("Val", ("Train",)):
        share = percent(n_seen / len(result.store.index.of_split("Val")))
        yield (
            f"{n_seen:,} Val images ({share}) show a radiograph that is also in Train: choosing "
            "a checkpoint on Val favours networks that memorise Train."
        )


def _masks(result: Exploration) -> Iterator[str]:
    dices = [
        float(finding.value)
        for finding in result.findings
        if finding.kind == "masks_disagree" and isinstance(finding.value, float)
    ]
    lesion = result.store.index.lesion
    if dices:
        median = sorted(dices)[len(dices) // 2]
        yield (
            f"The {lesion} masks of {len(dices):,} pair(s) of copies differ, with a median Dice "
            f"of {median:.2f}: two annotations of the same radiograph agree only that well."
        )
    if n_whole := sum(finding.kind == "infection_is_lung" for finding in result.findings):
        yield f"In {n_whole:,} image(s) the {lesion} mask is identical to the lung mask."


def _shortcuts(result: Exploration) -> Iterator[str]:
    above_chance = {
        name: shortcut
        for name, shortcut in result.shortcuts.items()
        if shortcut and shortcut.accuracy_interval[0] > shortcut.majority_share
    }
    if above_chance:
        accuracies = " and ".join(
            f"{percent(s.accuracy)} from {name}" for name, s in above_chance.items()
        )
        majority = max(shortcut.majority_share for shortcut in above_chance.values())
        yield (
            f"A logistic regression predicts the class of an image with an accuracy of "
            f"{accuracies}; always predicting the most frequent class has {percent(majority)}. A "
            "network can learn the same shortcuts."
        )


def _damage(result: Exploration) -> Iterator[str]:
    left_out = ("unreadable", "wrong_mode", "wrong_size", "wrong_values")
    if n_files := sum(finding.kind in left_out for finding in result.findings):
        yield f"{n_files:,} file(s) are damaged or have a wrong format; their images are excluded."
