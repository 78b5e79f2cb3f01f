"""The findings of a kind with the pictures that show them best."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from covseg.data.audit.duplicates import Lookalike
from covseg.data.findings import COPIES, KINDS, Finding
from covseg.data.image import Pixels
from covseg.data.index import Key
from covseg.data.store import Store
from covseg.report.colours import OTHER_TRUTH, TRUTH
from covseg.report.html.thumbnails import embedded, outlined, outlines, side_by_side
from covseg.report.meaning import MEANINGS, Meaning

_PICTURES = 6  # of a kind, at most
_NAMES = 100  # of a kind, at most; findings.csv has them all


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        address: of an ``<img>``.
        caption: names and numbers.
        alt: what is read aloud in its place.
        leak: whether it shows a pair across splits.
    """

    address: str
    caption: str
    alt: str
    leak: bool = False


@dataclass(frozen=True)
class FindingCard:
    """All findings of one kind.

    Attributes:
        kind: one of ``KINDS``.
        meaning: of the kind.
        n_findings: of the kind, at least 1.
        n_leaks: of them across splits.
        pictures: of those worth looking at first; none of an image that cannot be read.
        lines: what is found, in words, the first of them.
    """

    kind: str
    meaning: Meaning
    n_findings: int
    n_leaks: int
    pictures: list[Picture]
    lines: list[str]

    @property
    def of_pairs(self) -> bool:
        """Whether a finding of the kind is about two images."""
        return self.kind in (*COPIES, "masks_disagree")


def finding_cards(findings: Sequence[Finding], store: Store) -> list[FindingCard]:
    """A card for each kind that was found: what leaks first, then copies, then single images."""
    row_of = store.index.numbers()
    mirrored = {(f.a, f.b) for f in findings if f.kind.endswith("mirrored")}
    cards: list[FindingCard] = []
    for kind in KINDS:
        found = sorted((f for f in findings if f.kind == kind), key=_first_to_look_at)
        if not found:
            continue
        shown = (f for f in found if {f.a, f.b or f.a} <= row_of.keys())
        pictures = [
            _picture(finding, store, row_of, (finding.a, finding.b) in mirrored)
            for finding, _ in zip(shown, range(_PICTURES), strict=False)
        ]
        lines = [_line(finding) for finding in found[:_NAMES]]
        n_leaks = sum(finding.is_leak for finding in found)
        cards.append(FindingCard(kind, MEANINGS[kind], len(found), n_leaks, pictures, lines))
    return sorted(cards, key=lambda card: (not card.n_leaks, card.kind != "masks_disagree"))


def _first_to_look_at(finding: Finding) -> tuple[bool, float, Key]:
    """Across splits first; then the most alike, and of masks the least alike."""
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
    """Pairs that are not called copies, the second image turned as the first."""
    pictures: list[Picture] = []
    for pair in nearest:
        one, other = (store.index.rows[row].key for row in (pair.first, pair.second))
        second = store.images[pair.second]
        turned = np.fliplr(second) if pair.mirrored else second
        picture = side_by_side(outlined(store.images[pair.first]), outlined(np.asarray(turned)))
        says = f"correlation {pair.fit.correlation:.3f}, fine detail {pair.fit.detail:.2f}"
        caption = f"{_name(one)} and {_name(other)}, {says}{', mirrored' * pair.mirrored}"
        pictures.append(Picture(embedded(picture), caption, f"{_name(one)} beside {_name(other)}"))
    return pictures


def plain_and_outlined(store: Store, row: int) -> Pixels:
    """An image beside itself with the outlines of its masks."""
    image = store.images[row]
    masks = outlines(store.masks["infection"][row], store.masks["lung"][row])
    return side_by_side(outlined(image), outlined(image, masks))


def _both_masks(store: Store, one: int, other: int, mirrored: bool) -> Pixels:
    """Both copies, each with both masks, the second turned as the first."""
    images, masks = store.images, store.masks["infection"]
    turn = np.fliplr if mirrored else np.asarray
    both = [(masks[one], TRUTH, 2), (np.asarray(turn(masks[other])), OTHER_TRUTH, 2)]
    return side_by_side(
        outlined(images[one], both), outlined(np.asarray(turn(images[other])), both)
    )


def _line(finding: Finding) -> str:
    return ", ".join(_words(finding))


def _words(finding: Finding) -> Iterator[str]:
    yield f"{_name(finding.a)} and {_name(finding.b)}" if finding.b else _name(finding.a)
    if isinstance(finding.value, str):
        if finding.value:
            yield finding.value
    elif finding.kind == "masks_disagree":
        yield f"Dice {finding.value:.2f}"
    elif finding.kind in COPIES:
        yield f"correlation {finding.value:.3f}"
    else:
        yield f"{finding.value:.1%}".replace("%", " %")


def _name(key: Key) -> str:
    return "/".join(key)
