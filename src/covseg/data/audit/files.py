"""What is wrong with a dataset, file by file; a faulty file does not stop the audit."""

import contextlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from covseg.data.findings import Finding
from covseg.data.image import Pixels, decode, decode_mask
from covseg.data.index import Files, Index, Key, Row, read_files, rows_of
from covseg.data.layout import FOLDERS
from covseg.data.source.locate import Source
from covseg.data.store import Store, open_store
from covseg.data.threads import mapped
from covseg.errors import DataError

_NAMES = {  # the convention of the dataset's authors
    "COVID-19": re.compile(r"covid_\d+\.png"),
    "Non-COVID": re.compile(r"non_COVID \(\d+\)\.png"),
    "Normal": re.compile(r"Normal \(\d+\)\.png"),
}
_BLOCK = 256  # rows whose masks are in memory at a time


@dataclass(frozen=True)
class Audit:
    """A dataset with its faults."""

    store: Store  # the usable images with their masks
    findings: list[Finding]  # about single images, in the order of the index


def audit(source: Source, cache_dir: str | Path) -> Audit:
    """Check every file of the infection tree.

    Raises:
        DataError: no file of the dataset, or no usable image.
    """
    where = str(source.path)
    tree, files = read_files(source.names(), ["infection"], where)
    findings = [Finding("odd_name", key) for key in sorted(files) if _is_odd(key)]
    findings += _missing(files)
    whole = {key: kinds for key, kinds in files.items() if {"image", "infection"} <= kinds.keys()}
    try:
        store = open_store(source, Index(tree, rows_of(whole)), cache_dir)
    except DataError:  # of the first fault; here all are needed
        faults = list(_damaged(source, whole))
        findings += faults
        sound = {key: whole[key] for key in whole.keys() - {fault.a for fault in faults}}
        if not sound or not faults:
            raise
        store = open_store(source, Index(tree, rows_of(sound)), cache_dir)
    return Audit(store, findings + list(_contradictions(store)))


def lung_tree_counts(source: Source) -> dict[str, dict[str, int]] | None:
    """Images of *Lung Segmentation Data* by split and class, None if it is missing.

    They are counted by their names and not decoded.

    Raises:
        DataError: two copies of the tree, or one name written in two ways.
    """
    tree, files = read_files(source.names(), ["lung"], str(source.path))
    if tree != "lung":
        return None
    images = {key: kinds for key, kinds in files.items() if "image" in kinds}
    return Index(tree, rows_of(images)).counts()


def _is_odd(key: Key) -> bool:
    _, patient_class, name = key
    return not _NAMES[patient_class].fullmatch(name)


def _missing(files: Mapping[Key, Files]) -> list[Finding]:
    expected = {"image", "infection"}
    if any("lung" in kinds for kinds in files.values()):
        expected.add("lung")
    return [
        Finding("missing", key, value=FOLDERS[kind])
        for key, kinds in sorted(files.items())
        for kind in sorted(expected - kinds.keys())
    ]


def _damaged(source: Source, files: Mapping[Key, Files]) -> Iterator[Finding]:
    """Every file that cannot be decoded, or is not of the size that most images have."""
    every_file = [(key, kind, path) for key in sorted(files) for kind, path in files[key].items()]
    results = list(
        mapped(lambda file: _check(source, *file[1:]), every_file, "checking", threads=4)
    )
    sizes = Counter(result for result in results if isinstance(result, tuple))
    usual = max(sizes, key=lambda size: sizes[size]) if sizes else None
    for (key, kind, _), result in zip(every_file, results, strict=True):
        if isinstance(result, _Fault):
            yield Finding(result.kind, key, value=f"{FOLDERS[kind]}: {result.cause}")
        elif result != usual:
            yield Finding("wrong_size", key, value=f"{FOLDERS[kind]}: {result[1]}x{result[0]}")


@dataclass(frozen=True)
class _Fault:
    kind: str
    cause: str


def _check(source: Source, kind: str, path: str) -> tuple[int, ...] | _Fault:
    """The size of an image or mask, or what is wrong with it."""
    try:
        data = source.read(path)
    except DataError as error:
        return _Fault("unreadable", str(error.args[1]))
    try:
        return (decode if kind == "image" else decode_mask)(data, path).shape
    except DataError as error:
        return _Fault(_kind_of_fault(data), str(error.args[1]))


def _kind_of_fault(data: bytes) -> str:
    """The kind of finding of a file that was refused."""
    with contextlib.suppress(DataError):
        decode(data, "")
        return "wrong_values"  # of a mask, because the image is readable
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            return "unreadable" if picture.mode == "L" else "wrong_mode"
    except Exception:  # noqa: BLE001  a damaged file can make Pillow raise almost anything
        return "unreadable"


def _contradictions(store: Store) -> Iterator[Finding]:
    """Masks that contradict each other or the class."""
    rows = store.index.rows
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        infection, lung = (np.asarray(store.masks[name][block]) for name in ("infection", "lung"))
        for row, infected, lungs in zip(rows[block], infection, lung, strict=True):
            yield from _of_masks(row, infected, lungs)


def _of_masks(row: Row, infection: Pixels, lung: Pixels) -> Iterator[Finding]:
    n_infected = int(infection.sum())
    if row.patient_class == "COVID-19" and not n_infected:
        yield Finding("empty_mask", row.key)
    if row.patient_class != "COVID-19" and n_infected:
        yield Finding("unexpected_infection", row.key, value=n_infected / infection.size)
    if row.lung is None or not n_infected:
        return
    outside = int((infection > lung).sum())
    if outside:
        yield Finding("infection_outside_lung", row.key, value=outside / n_infected)
    if np.array_equal(infection, lung):
        yield Finding("infection_is_lung", row.key)
