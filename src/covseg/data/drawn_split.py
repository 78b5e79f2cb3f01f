"""Splits that the data does not have: drawn once, and kept in ``split.csv``.

The parts have their shares of every stratum, a class and a range of lesion sizes; copies of one
radiograph and images of one patient stay together.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from covseg.config.data import SPLITS
from covseg.csv_files import read_csv, write_csv
from covseg.data.copies import Copies
from covseg.data.index import UNDIVIDED, Index, Key
from covseg.data.store import Store
from covseg.errors import ConfigError, DataError

SHARES: dict[str, float] = {"Train": 0.64, "Val": 0.16, "Test": 0.2}  # as in COVID-QU-Ex
_N_SIZES = 3  # ranges of lesion sizes with as many images each, besides images without a lesion
_LEAST = 10  # images of a stratum
_COLUMNS = ("split", "class", "name", "part")  # the split is that of the data
_REMEDY = "use the split.csv of a run on this data"

Stratum = tuple[str, int]  # class, range of sizes


def strata(store: Store) -> list[Stratum]:
    """The stratum of every row."""
    target = store.index.lesion or store.index.targets[0]
    shares = np.array([mask.mean() for mask in store.masks[target]])
    sizes = np.zeros(len(shares), int)
    if (positive := shares > 0).any():
        edges = np.quantile(shares[positive], np.arange(1, _N_SIZES) / _N_SIZES)
        sizes[positive] = 1 + np.searchsorted(edges, shares[positive])
    return [
        (row.patient_class, int(size)) for row, size in zip(store.index.rows, sizes, strict=True)
    ]


def draw_splits(copies: Copies, of_rows: Sequence[Stratum], seed: int) -> list[str]:
    """Train, Val or Test for every row.

    Splits that the data has stay as they are, but for Train, from which those that it lacks are
    drawn.

    Strata that are too small for a share in every part count as one within their class, or within
    all classes where that is too small as well.

    Args:
        copies: with the index.
        of_rows: the stratum of every row.
        seed: of the order in which families are assigned, the largest first.

    Raises:
        ConfigError: the data has all splits.
    """
    rows = copies.index.rows
    parts = [row.split for row in rows]
    lacking = check_lacking(parts)
    own = _large_enough(_large_enough(of_rows, lambda of: (of[0], None)), lambda _: None)
    shares: dict[str, float] = {part: SHARES[part] for part in ("Train", *lacking)}
    held = Counter[tuple[str, Hashable]]()

    def fill(part: str, members: Sequence[int]) -> tuple[float, float]:
        """How full a part would be with half of a family's other images, of its strata, of all."""
        others = (len(members) - 1) / 2  # a large family does not fit into a small part
        of_strata = sum(held[part, own[row]] + others for row in members)
        return of_strata / shares[part], (held[part, "all"] + others) / shares[part]

    for members in _families(copies, seed):
        part = min(shares, key=lambda part: fill(part, members))
        for row in members:
            parts[row] = part
            held[part, own[row]] += 1
            held[part, "all"] += 1
    return parts


def _large_enough(of_rows: Sequence[Any], joined: Callable[[Any], Hashable]) -> list[Any]:
    """The strata of rows, those that are too small replaced by what joins several of them."""
    n_of = Counter(of_rows)
    return [of if n_of[of] >= _LEAST else joined(of) for of in of_rows]


def check_lacking(splits: Sequence[str]) -> list[str]:
    """Val and Test, as far as no row is in them.

    Raises:
        ConfigError: the data has all splits, or no image to draw from.
    """
    lacking: list[str] = [split for split in SPLITS[1:] if split not in splits]
    if not {UNDIVIDED, "Train"} & {*splits}:
        cause = f"has nothing to draw from: all images are of {' or '.join(sorted({*splits}))}"
        raise ConfigError("data.split=auto", cause, "say which images are Train")
    if not lacking:
        cause = "has nothing to draw: the data has Train, Val and Test"
        raise ConfigError("data.split=auto", cause, "leave it out")
    return lacking


def _families(copies: Copies, seed: int) -> list[list[int]]:
    """The rows that are to be divided, those together that must stay together."""
    members: dict[int, list[int]] = {}
    for row, first in enumerate(copies.labels):
        if copies.index.rows[row].split in {UNDIVIDED, "Train"}:
            members.setdefault(first, []).append(row)

    def order(family: list[int]) -> tuple[int, bytes]:
        key = "/".join(copies.index.rows[family[0]].key)
        return -len(family), blake2b(f"{seed}/{key}".encode()).digest()

    return sorted(members.values(), key=order)


def write_split(path: Path, index: Index, parts: Sequence[str]) -> None:
    """Write ``split.csv``.

    Raises:
        RunError: it cannot be written.
    """
    write_csv(path, _COLUMNS, [(*row.key, p) for row, p in zip(index.rows, parts, strict=True)])


def read_split(path: Path, index: Index) -> list[str]:
    """The part of every row.

    Raises:
        RunError: the file is missing or damaged.
        DataError: it is of other images, or names a part that does not exist.
    """
    part_of: dict[Key, str] = {}
    for split, patient_class, name, part in read_csv(path, _COLUMNS, _REMEDY):
        if part not in SPLITS:
            cause = f"has the part {part}, expected one of {', '.join(SPLITS)}"
            raise DataError(path, cause, _REMEDY)
        if part_of.setdefault((split, patient_class, name), part) != part:
            raise DataError(path, f"has {name} in two parts", _REMEDY)
    keys = {row.key for row in index.rows}
    if others := sorted(part_of.keys() ^ keys):
        cause = f"and the data differ: only one of them has {'/'.join(others[0])}"
        raise DataError(path, cause, _REMEDY)
    return [part_of[row.key] for row in index.rows]
