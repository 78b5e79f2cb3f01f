"""Radiographs that are in a dataset more than once: unchanged, re-toned, mirrored, re-cropped.

A network that was fitted on one copy has seen the other: across splits that is a leak. COVID-QU-Ex
has no patient identifiers; near duplicates are used instead.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nlargest
from typing import Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from covseg.data.audit.alignment import Fit, aligned
from covseg.data.audit.hog import Floats, hog, mirrored, unit
from covseg.data.findings import Finding
from covseg.data.image import Pixels
from covseg.data.index import Row
from covseg.data.planes import Planes
from covseg.data.resize import resize_mask, shrunk
from covseg.data.store import Store
from covseg.data.threads import mapped

NEAR = 0.97  # Pearson correlation from which two images are one radiograph
_CANDIDATE = 0.93  # from which they may be, and are aligned
_SAME_DETAIL = 0.75  # copies have 0.79 and more; another radiograph of a person 0.3 to 0.8
_ALIGNED = 256  # pixels of the longer side at most, where two images are aligned
_THUMBNAIL = 64  # pixels per side, where they are compared
_NEIGHBOURS, _LIKE = 3, 0.65  # of each image, by its gradients; crops of one image have 0.7 or more
_NEAREST = 6  # pairs that are not copies, for the page
_BLOCK = 512  # rows of the matrix of all pairs in memory at a time

Group = npt.NDArray[np.generic]  # of every image; those of one group are not compared


@dataclass(frozen=True, order=True)
class Pair:
    """Two copies of a radiograph."""

    first: int  # number of a row
    second: int  # of a later one
    kind: Literal["exact", "near", "aligned"]  # equal; correlated; correlated after an alignment
    mirrored: bool
    correlation: float  # Pearson's, of the images at 64 pixels per side


class Lookalike(NamedTuple):
    """Two images that were aligned and are not copies."""

    likeness: float  # the lesser of the two scores of a copy, each by its threshold; below 1
    first: int  # number of a row
    second: int  # of a later one
    mirrored: bool
    fit: Fit


@dataclass(frozen=True)
class Duplicates:
    """All pairs of images, compared."""

    pairs: list[Pair]  # of copies, sorted
    nearest: list[Lookalike]  # the few others with the highest likeness, the highest first


def duplicates(images: Planes, first_group: int | None = None) -> Duplicates:
    """Find the copies among all pairs.

    Args:
        images: compared with each other.
        first_group: the number of images that are compared with all later ones, and with none of
            their own; None compares all.
    """
    group = np.arange(len(images)) if first_group is None else np.arange(len(images)) >= first_group
    content = [blake2b(f"{image.shape}".encode() + image.tobytes()).digest() for image in images]
    copies = {(a, b): Pair(a, b, "exact", False, 1.0) for a, b in _equal(content, group)}
    candidates = set[tuple[int, int, bool]]()
    for a, b, swapped, value in _alike(images, group):
        if value < NEAR:
            candidates.add((a, b, swapped))
        elif content[a] == content[b]:
            copies.setdefault((a, b), Pair(a, b, "exact", False, 1.0))
        else:
            copies.setdefault((a, b), Pair(a, b, "near", swapped, min(value, 1.0)))
    others: list[Lookalike] = []
    undecided = sorted(pair for pair in candidates if pair[:2] not in copies)
    for (a, b, swapped), fit in _fits(images, undecided):
        likeness = min(fit.correlation / NEAR, fit.detail / _SAME_DETAIL)
        if likeness >= 1:
            copies.setdefault((a, b), Pair(a, b, "aligned", swapped, fit.correlation))
        else:
            others.append(Lookalike(likeness, a, b, swapped, fit))
    fitting = (other for other in others if other.likeness > 0)
    rest = (other for other in fitting if (other.first, other.second) not in copies)
    return Duplicates(sorted(copies.values()), nlargest(_NEAREST, rest))


def of_pairs(pairs: Iterable[Pair], rows: Sequence[Row]) -> list[Finding]:
    """A finding for each pair of copies."""
    return [
        Finding(
            f"{pair.kind}_duplicate{'_mirrored' if pair.mirrored else ''}",
            rows[pair.first].key,
            rows[pair.second].key,
            pair.correlation,
        )
        for pair in pairs
    ]


def disagreements(pairs: Sequence[Pair], store: Store) -> Iterator[Finding]:
    """Pairs of copies whose masks of the lesion differ, with the Dice of the two masks.

    Aligned pairs are left out: their masks are not aligned.
    """
    rows, lesion = store.index.rows, store.index.lesion
    for pair in pairs:
        both = {lesion} <= rows[pair.first].masks.keys() & rows[pair.second].masks.keys()
        if pair.kind == "aligned" or lesion is None or not both:
            continue
        one = store.masks[lesion][pair.first]
        other = resize_mask(store.masks[lesion][pair.second], store.truth_size(pair.first))
        other = other[:, ::-1] if pair.mirrored else other
        total = int(one.sum()) + int(other.sum())
        if not np.array_equal(one, other):
            dice = 2 * int((one & other).sum()) / total
            yield Finding("masks_disagree", rows[pair.first].key, rows[pair.second].key, dice)


def _alike(images: Planes, group: Group) -> Iterator[tuple[int, int, bool, float]]:
    """Pairs, directly or mirrored, with their correlation; 0 for those with similar gradients."""
    thumbnails, gradients = _described(images, _thumbnail), _described(images, hog)
    for swapped in (False, True):
        for a, b, value in _above(thumbnails, _mirrored if swapped else _as_it_is, _CANDIDATE):
            if group[a] != group[b]:
                yield a, b, swapped, value
        for a, b in _neighbours(gradients, mirrored if swapped else _as_it_is, group):
            yield a, b, swapped, 0.0


def _equal(content: Sequence[bytes], group: Group) -> Iterator[tuple[int, int]]:
    """Rows with the same content, each with the first row of this content."""
    seen: dict[bytes, int] = {}
    for row, digest in enumerate(content):
        first = seen.setdefault(digest, row)
        if group[first] != group[row]:
            yield first, row


def _thumbnail(image: Pixels) -> Floats:
    """A vector whose dot product is a correlation; zero for an image of one grey value."""
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    values = small.astype(np.float32)
    return unit(values - values.mean())


def _described(images: Planes, describe: Callable[[Pixels], Floats]) -> Floats:
    rows = range(len(images))
    return np.stack(list(mapped(lambda row: describe(images[row]), rows, "describing")))


def _as_it_is(vectors: Floats) -> Floats:
    return vectors


def _mirrored(thumbnails: Floats) -> Floats:
    swapped = thumbnails.reshape(-1, _THUMBNAIL, _THUMBNAIL)[:, :, ::-1]
    return swapped.reshape(thumbnails.shape)


def _above(
    vectors: Floats, change: Callable[[Floats], Floats], least: float
) -> Iterator[tuple[int, int, float]]:
    """Every pair (a, b), a < b, with a dot product of at least ``least`` after a is changed."""
    for start in range(0, len(vectors), _BLOCK):
        products = change(vectors[start : start + _BLOCK]) @ vectors[start:].T
        for a, b in zip(*np.nonzero(np.triu(products >= least, 1)), strict=True):
            yield start + int(a), start + int(b), float(products[a, b])


def _neighbours(
    vectors: Floats, change: Callable[[Floats], Floats], group: Group
) -> Iterator[tuple[int, int]]:
    """Each row, changed, with the few most similar rows of other groups."""
    n_near = min(_NEIGHBOURS, len(vectors) - 1)
    if n_near == 0:
        return
    for start in range(0, len(vectors), _BLOCK):
        products = change(vectors[start : start + _BLOCK]) @ vectors.T
        products[group[start : start + _BLOCK, None] == group] = -np.inf
        nearest = np.argpartition(products, -n_near, axis=1)[:, -n_near:]
        for a, of_row in enumerate(nearest):
            for b in of_row[products[a, of_row] >= _LIKE]:
                yield min(start + a, int(b)), max(start + a, int(b))


def _fits(
    images: Planes, pairs: Sequence[tuple[int, int, bool]]
) -> Iterator[tuple[tuple[int, int, bool], Fit]]:
    def fit(pair: tuple[int, int, bool]) -> Fit:
        a, b, swapped = pair
        one, other = (shrunk(images[row], _ALIGNED) for row in (a, b))
        return aligned(one, np.ascontiguousarray(other[:, ::-1]) if swapped else other)

    return zip(pairs, mapped(fit, pairs, "aligning"), strict=True)
