"""What is wrong with a dataset, file by file; a faulty file does not stop the audit."""

import contextlib
import io
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from covseg.data.findings import Finding
from covseg.data.image import Pixels
from covseg.data.index import LUNG, Key, Row
from covseg.data.layouts.covid_qu_ex.names import FILE_NAMES, FOLDERS
from covseg.data.listing import Listing
from covseg.data.row_pixels import check_sizes
from covseg.data.store import Store, open_store
from covseg.data.threads import mapped
from covseg.errors import DataError


@dataclass(frozen=True)
class Audit:
    """A dataset with its faults."""

    store: Store  # the usable images with their masks
    findings: list[Finding]  # about single images, in the order of the index


def audit(listing: Listing, cache_dir: str | Path) -> Audit:
    """Check every file.

    Raises:
        DataError: no usable image.
    """
    findings = [Finding("odd_name", key) for key in _odd(listing)]
    findings += [
        Finding("missing", one.key, value=_file(listing, one.kind)) for one in listing.missing
    ]
    try:
        store = open_store(listing, cache_dir)
    except DataError:  # of the first fault; here all are needed
        faults = list(_damaged(listing))
        findings += faults
        sound = listing.without({fault.a for fault in faults})
        if not sound.index.rows or not faults:
            raise
        store = open_store(sound, cache_dir)
    return Audit(store, [*findings, *_contradictions(store), *_patients(store)])


def _odd(listing: Listing) -> list[Key]:
    """The images whose names do not follow the convention of COVID-QU-Ex's authors."""
    if not listing.reading.strict:
        return []
    keys = {row.key for row in listing.index.rows} | {one.key for one in listing.missing}
    return sorted(key for key in keys if not FILE_NAMES[key[1]].fullmatch(key[2]))


def _file(listing: Listing, kind: str) -> str:
    """What a file is, for a finding."""
    return FOLDERS[kind] if listing.reading.strict else kind


def _damaged(listing: Listing) -> Iterator[Finding]:
    """Every file that cannot be decoded, or does not fit the others."""
    files = [(row, kind, path) for row in listing.index.rows for kind, path in row.files]
    results = list(mapped(lambda file: _check(listing, *file[1:]), files, "checking", threads=4))
    faulty = set[Key]()
    for (row, kind, _), result in zip(files, results, strict=True):
        if isinstance(result, _Fault):
            faulty.add(row.key)
            yield Finding(result.kind, row.key, value=f"{_file(listing, kind)}: {result.cause}")
    if listing.reading.strict:
        yield from _unusual_sizes(listing, files, results)
    else:
        yield from _misfits(listing, files, results, faulty)


def _unusual_sizes(
    listing: Listing,
    files: Sequence[tuple[Row, str, str]],
    results: Sequence["tuple[int, ...] | _Fault"],
) -> Iterator[Finding]:
    """The files that do not have the size of most."""
    sizes = Counter(result for result in results if isinstance(result, tuple))
    usual = max(sizes, key=lambda size: sizes[size]) if sizes else None
    for (row, kind, _), size in zip(files, results, strict=True):
        if isinstance(size, tuple) and size != usual:
            value = f"{_file(listing, kind)}: {size[1]}x{size[0]}"
            yield Finding("wrong_size", row.key, value=value)


def _misfits(
    listing: Listing,
    files: Sequence[tuple[Row, str, str]],
    results: Sequence["tuple[int, ...] | _Fault"],
    faulty: Collection[Key],
) -> Iterator[Finding]:
    """The images with masks of another shape."""
    sizes = defaultdict[Key, list[tuple[str, tuple[int, ...]]]](list)
    for (row, _, path), size in zip(files, results, strict=True):
        if isinstance(size, tuple) and row.key not in faulty:
            sizes[row.key].append((path, size))
    for key, of_row in sizes.items():
        try:
            check_sizes(listing.source.path, of_row, None)
        except DataError as error:
            yield Finding("wrong_size", key, value=str(error.args[1]))


@dataclass(frozen=True)
class _Fault:
    kind: str
    cause: str


def _check(listing: Listing, kind: str, path: str) -> tuple[int, ...] | _Fault:
    """The size of an image or mask, or what is wrong with it."""
    reading = listing.reading
    try:
        data = listing.source.read(path)
    except DataError as error:
        return _Fault("unreadable", str(error.args[1]))
    try:
        image = kind == "image"
        return (reading.image(data, path) if image else reading.mask(data, path, kind)).shape
    except DataError as error:
        return _Fault(_kind_of_fault(listing, data), str(error.args[1]))


def _kind_of_fault(listing: Listing, data: bytes) -> str:
    """The kind of finding of a file that was refused."""
    with contextlib.suppress(DataError):
        listing.reading.image(data, "")
        return "wrong_values"  # of a mask, because the image is readable
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            return "unreadable" if picture.mode == "L" else "wrong_mode"
    except Exception:  # noqa: BLE001  a damaged file can make Pillow raise almost anything
        return "unreadable"


def _contradictions(store: Store) -> Iterator[Finding]:
    """Masks that contradict each other or the class."""
    lesion, positive_class = store.index.lesion, store.index.positive_class
    for number, row in enumerate(store.index.rows):
        if lesion not in row.masks:
            continue
        assert lesion is not None
        mask = store.masks[lesion][number]
        n_pixels = int(mask.sum())
        if row.patient_class == positive_class and not n_pixels:
            yield Finding("empty_mask", row.key)
        if positive_class not in {None, row.patient_class} and n_pixels:
            yield Finding("unexpected_infection", row.key, value=n_pixels / mask.size)
        if n_pixels and LUNG in row.masks:
            yield from _of_lungs(row, mask, store.masks[LUNG][number])


def _patients(store: Store) -> Iterator[Finding]:
    """The first image of a patient in a split, with the first one in each later split."""
    first: dict[str, dict[str, Key]] = {}
    for row in store.index.rows:
        if row.patient is not None:
            first.setdefault(row.patient, {}).setdefault(row.split, row.key)
    for of_split in first.values():
        keys = [of_split[split] for split in store.index.splits if split in of_split]
        for number, one in enumerate(keys):
            yield from (Finding("patient_in_splits", one, other) for other in keys[number + 1 :])


def _of_lungs(row: Row, lesion: Pixels, lung: Pixels) -> Iterator[Finding]:
    outside = int((lesion > lung).sum())
    if outside:
        yield Finding("infection_outside_lung", row.key, value=outside / int(lesion.sum()))
    if np.array_equal(lesion, lung):
        yield Finding("infection_is_lung", row.key)
