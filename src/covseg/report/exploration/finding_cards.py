"""Cards of the page: the findings of each kind with the most important pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from covseg.data.audit.duplicates import Lookalike
from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.image import Pixels
from covseg.data.index import LUNG, Key
from covseg.data.resize import resize_image, resize_mask
from covseg.data.store import Store
from covseg.report.colours import OTHER_TRUTH, TRUTH
from covseg.report.html.environment import percent
from covseg.report.html.thumbnails import embedded, outlined, outlines, side_by_side
from covseg.report.meaning import MEANINGS, Meaning

_MAX_PICTURES = 6  # per kind
_MAX_LINES = 100  # per kind; findings.csv has all


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    url: str
    caption: str
    alt: str  # for screen readers
    leak: bool = False  # whether it shows a pair across splits


@dataclass(frozen=True)
class FindingCard:
    """All findings of one kind."""

    kind: str
    meaning: Meaning
    n_findings: int
    n_leaks: int  # findings across splits
    pictures: list[Picture]  # of the most important findings with readable images
    lines: list[str]  # descriptions of the first findings

    @property
    def of_pairs(self) -> bool:
        """Whether the findings of the kind are pairs of images."""
        return self.kind in (*COPIES, "masks_disagree", "patient_in_splits")


def finding_cards(findings: Sequence[Finding], store: Store) -> list[FindingCard]:
    """A card for each kind that has findings: leaks first, then copies, then single images."""
    row_of = store.index.numbers()
    mirrored = {(f.a, f.b) for f in findings if f.kind.endswith("mirrored")}
    cards: list[FindingCard] = []
    for kind in KINDS:
        of_kind = sorted((f for f in findings if f.kind == kind), key=_importance)
        if not of_kind:
            continue
        readable = (f for f in of_kind if {f.a, f.b or f.a} <= row_of.keys())
        pictures = [
            _picture(finding, store, row_of, (finding.a, finding.b) in mirrored)
            for finding in islice(readable, _MAX_PICTURES)
        ]
        lines = [_line(finding) for finding in of_kind[:_MAX_LINES]]
        n_leaks = sum(finding.is_leak for finding in of_kind)
        cards.append(FindingCard(kind, MEANINGS[kind], len(of_kind), n_leaks, pictures, lines))
    return sorted(cards, key=lambda card: (not card.n_leaks, card.kind != "masks_disagree"))


def _importance(finding: Finding) -> tuple[bool, float, Key]:
    """Sort key: pairs across splits first, then the most similar images or least similar masks."""
    within = finding.b is None or finding.a[0] == finding.b[0]
    value = finding.value if isinstance(finding.value, float) else 0.0
    return within, value if finding.kind == "masks_disagree" else -value, finding.a


def _picture(finding: Finding, store: Store, row_of: dict[Key, int], mirrored: bool) -> Picture:
    one = row_of[finding.a]
    if finding.b is None:
        picture = plain_and_outlined(store, one)
        return Picture(embedded(picture), _line(finding), f"{_name(finding.a)}, plain and outlined")
    other = row_of[finding.b]
    if finding.kind == "masks_disagree":
        picture = _both_masks(store, one, other, mirrored)
    else:
        picture = side_by_side(outlined(store.images[one]), outlined(store.images[other]))
    alt = f"{_name(finding.a)} beside {_name(finding.b)}"
    return Picture(embedded(picture), _line(finding), alt, finding.a[0] != finding.b[0])


def lookalikes(nearest: Sequence[Lookalike], store: Store) -> list[Picture]:
    """Pairs that are not counted as copies, the second image mirrored to match the first."""
    pictures: list[Picture] = []
    for pair in nearest:
        one, other = (store.index.rows[row].key for row in (pair.first, pair.second))
        second = store.images[pair.second]
        second = np.fliplr(second) if pair.mirrored else second
        picture = side_by_side(outlined(store.images[pair.first]), outlined(np.asarray(second)))
        numbers = f"correlation {pair.fit.correlation:.3f}, fine detail {pair.fit.detail:.2f}"
        caption = f"{_name(one)} and {_name(other)}, {numbers}{', mirrored' * pair.mirrored}"
        pictures.append(Picture(embedded(picture), caption, f"{_name(one)} beside {_name(other)}"))
    return pictures


def plain_and_outlined(store: Store, row: int) -> Pixels:
    """An image without and with the outlines of its masks, side by side."""
    image = store.images[row]
    masks = outlines(store.on_image(store.index.lesion, row), store.on_image(LUNG, row))
    return side_by_side(outlined(image), outlined(image, masks))


def _both_masks(store: Store, one: int, other: int, mirrored: bool) -> Pixels:
    """Two copies, each with both masks, the second mirrored to match the first."""
    image, height_width = store.images[one], store.images[one].shape
    mask, other_mask = (store.on_image(store.index.lesion, row) for row in (one, other))
    other_image = resize_image(store.images[other], (height_width[0], height_width[1]))
    other_mask = resize_mask(other_mask, (height_width[0], height_width[1]))
    if mirrored:
        other_image, other_mask = np.fliplr(other_image), np.fliplr(other_mask)
    both = [(mask, TRUTH, 2), (other_mask, OTHER_TRUTH, 2)]
    return side_by_side(outlined(image, both), outlined(other_image, both))


def _line(finding: Finding) -> str:
    names = f"{_name(finding.a)} and {_name(finding.b)}" if finding.b else _name(finding.a)
    value = finding.value
    if isinstance(value, str):
        text = value
    elif finding.kind == "masks_disagree":
        text = f"Dice {value:.2f}"
    elif finding.kind in COPIES:
        text = f"correlation {value:.3f}"
    else:
        text = percent(value)
    return f"{names}, {text}" if text else names


def _name(key: Key) -> str:
    return "/".join(key)
