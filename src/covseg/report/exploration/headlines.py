"""What a reader should know of a dataset after half a minute."""

from collections.abc import Iterator
from dataclasses import dataclass

from covseg.report.exploration.result import Exploration
from covseg.report.html.environment import percent


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page, with what it counts."""

    number: str
    what: str
    warns: bool = False


def facts(found: Exploration) -> list[Fact]:
    """The key numbers."""
    n_leaks = sum(finding.is_leak for finding in found.copies)
    return [
        Fact(f"{len(found.store.index.rows):,}", "images that can be used"),
        Fact(f"{len(found.findings):,}", "findings"),
        Fact(f"{len(found.copies):,}", f"pairs of copies in {len(found.families):,} families"),
        Fact(f"{n_leaks:,}", "pairs of copies across splits: leaks", warns=n_leaks > 0),
    ]


def headlines(found: Exploration) -> list[str]:
    """What the numbers mean, most important first."""
    said = [*_leaks(found), *_truths(found), *_shortcuts(found), *_damage(found)]
    return said or ["Nothing was found that a training on this data would have to know of."]


def _leaks(found: Exploration) -> Iterator[str]:
    n_images = len(found.store.index.of_split("Test"))
    if n_seen := found.seen_before("Test", ("Train", "Val")):
        yield (
            f"{n_seen:,} of the {n_images:,} Test images ({percent(n_seen / n_images)}) show a "
            "radiograph that stands in Train or Val as well. A score on Test is in part a score on "
            "images that were seen."
        )
    elif n_images:
        yield "No radiograph of Test was found in Train or Val."
    if n_seen := found.seen_before("Val", ("Train",)):
        share = percent(n_seen / len(found.store.index.of_split("Val")))
        yield (
            f"{n_seen:,} Val images ({share}) show a radiograph that stands in Train as well: what "
            "is chosen on Val leans towards what remembers Train."
        )


def _truths(found: Exploration) -> Iterator[str]:
    dices = [
        float(finding.value)
        for finding in found.findings
        if finding.kind == "masks_disagree" and isinstance(finding.value, float)
    ]
    if dices:
        median = sorted(dices)[len(dices) // 2]
        yield (
            f"{len(dices):,} pairs of copies have infection masks that differ, with a Dice of "
            f"{median:.2f} (median): about as far as the truth of this data agrees with itself."
        )
    if n_whole := sum(finding.kind == "infection_is_lung" for finding in found.findings):
        yield f"In {n_whole:,} images the infection mask is the lung mask, pixel by pixel."


def _shortcuts(found: Exploration) -> Iterator[str]:
    told = {
        seen: shortcut
        for seen, shortcut in found.shortcuts.items()
        if shortcut and shortcut.accuracy_interval[0] > shortcut.majority_share
    }
    if told:
        from_each = " and ".join(f"{percent(s.accuracy)} from {seen}" for seen, s in told.items())
        blind = max(shortcut.majority_share for shortcut in told.values())
        yield (
            f"A logistic regression names the class of an image rightly in {from_each}; always "
            f"naming the most frequent class is right in {percent(blind)}. A network can take the "
            "same shortcuts."
        )


def _damage(found: Exploration) -> Iterator[str]:
    left_out = ("unreadable", "wrong_mode", "wrong_size", "wrong_values")
    if n_files := sum(finding.kind in left_out for finding in found.findings):
        yield f"{n_files:,} files are damaged or of another kind; their images are left out."
