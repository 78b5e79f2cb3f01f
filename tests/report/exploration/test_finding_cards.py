"""The pictures worth looking at first, of what can be read, with their names."""

from dataclasses import replace

import numpy as np

from covseg.data.audit.alignment import Fit
from covseg.data.audit.duplicates import Lookalike
from covseg.data.findings import KINDS, Finding
from covseg.report.exploration import finding_cards as module
from covseg.report.exploration.finding_cards import finding_cards, lookalikes


def pairs(store, kind: str, splits: list[tuple[str, str]], values: list[float]) -> list[Finding]:
    of, rows = store.index.of_split, store.index.rows
    return [
        Finding(kind, rows[of(a)[n]].key, rows[of(b)[-1 - n]].key, value)
        for n, ((a, b), value) in enumerate(zip(splits, values, strict=True))
    ]


def test_every_kind_has_a_card_with_a_picture_and_leaks_come_first(store, every_kind):
    cards = finding_cards(every_kind, store)
    assert {card.kind for card in cards} == set(KINDS)
    assert all(card.n_findings == len(card.pictures) == len(card.lines) == 1 for card in cards)
    leaks = [bool(card.n_leaks) for card in cards]
    assert leaks == sorted(leaks, reverse=True)
    assert sum(leaks) == 6
    assert all(card.of_pairs == bool(card.n_leaks) for card in cards if "masks_d" not in card.kind)


def test_across_splits_first_then_the_most_alike(store):
    splits = [("Train", "Train"), ("Train", "Val"), ("Train", "Test")]
    (card,) = finding_cards(pairs(store, "near_duplicate", splits, [0.99, 0.971, 0.98]), store)
    assert [picture.leak for picture in card.pictures] == [True, True, False]
    assert [line.split()[-1] for line in card.lines] == ["0.980", "0.971", "0.990"]
    assert card.n_leaks == 2


def test_of_masks_the_least_alike_first(store):
    splits = [("Train", "Val")] * 3
    (card,) = finding_cards(pairs(store, "masks_disagree", splits, [0.9, 0.4, 0.6]), store)
    assert [line.split(", ")[-1] for line in card.lines] == ["Dice 0.40", "Dice 0.60", "Dice 0.90"]


def test_six_pictures_and_a_hundred_names_at_most(store):
    row = store.index.rows[0]
    findings = [Finding("odd_name", (*row.key[:2], f"{n}.png")) for n in range(150)]
    findings += [Finding("odd_name", r.key) for r in store.index.rows[:9]]
    (card,) = finding_cards(findings, store)
    assert (card.n_findings, len(card.pictures), len(card.lines)) == (159, 6, 100)


def test_what_cannot_be_read_has_a_line_and_no_picture(store):
    findings = [Finding("unreadable", ("Val", "Normal", "gone.png"), value="images: truncated")]
    (card,) = finding_cards(findings, store)
    assert card.pictures == []
    assert card.lines == ["Val/Normal/gone.png, images: truncated"]


def test_a_mirrored_pair_is_turned_so_that_its_masks_lie_over_each_other(store, monkeypatch):
    one, other = (store.index.of_split(split)[0] for split in ("Train", "Test"))
    masks = np.array(store.masks["infection"])
    masks[other] = masks[one][:, ::-1]
    images = np.array(store.images)
    images[other] = images[one][:, ::-1]
    turned = replace(store, images=images, masks={**store.masks, "infection": masks}, home=None)
    a, b = store.index.rows[one].key, store.index.rows[other].key
    seen = []
    monkeypatch.setattr(module, "embedded", lambda picture: seen.append(picture) or "")
    finding_cards(
        [Finding("near_duplicate_mirrored", a, b, 1.0), Finding("masks_disagree", a, b, 0.5)],
        turned,
    )
    width = images.shape[2]
    apart, together = seen
    np.testing.assert_array_equal(together[:, :width], together[:, -width:])
    assert not np.array_equal(apart[:, :width], apart[:, -width:])


def test_a_pair_that_is_no_copy_is_shown_with_what_it_lacks(store):
    pairs = [Lookalike(0.9, 0, 1, mirrored, Fit(0.981, 0.66)) for mirrored in (False, True)]
    plain, turned = lookalikes(pairs, store)
    assert plain.caption.endswith("correlation 0.981, fine detail 0.66")
    assert turned.caption.endswith("fine detail 0.66, mirrored")
    assert plain.url != turned.url
