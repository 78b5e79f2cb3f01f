"""How much of what is wrong ``covseg.explore`` finds, and how much of what it finds is wrong.

A phantom dataset with known faults. ``nox -s nightly -- tests/test_planted.py -s`` makes it large
and prints the figures.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from changes import Image, compress, crop, mirror, tone, turn
from covseg.data import findings
from covseg.data.audit.duplicates import duplicates
from covseg.data.copies import families
from covseg.data.phantom.dataset import write

pytestmark = pytest.mark.long

TREE = Path("Infection Segmentation Data/Infection Segmentation Data")
N_OF_EACH = 20 if "COVSEG_NIGHTLY" in os.environ else 2
Fault = Callable[[Path, np.random.Generator], Any]
Truth = dict[str, set[frozenset]]  # kind of finding -> images, one or both of a pair

COPIES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "copied": lambda image, rng: image,
    "cropped": crop,
    "toned": tone,
    "compressed": compress,
    "turned": turn,
    "mirrored": mirror,
    "cropped, toned, turned": lambda image, rng: tone(crop(turn(image, rng), rng), rng),
    "mirrored, cropped, toned": lambda image, rng: tone(crop(mirror(image), rng), rng),
}


def read(path: Path) -> Image:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def repaint(path: Path, image: Image) -> None:
    assert cv2.imwrite(str(path), image)


def beside(path: Path, folder: str) -> Path:
    return path.parents[1] / folder / path.name


def mark_outside(path: Path, _: object) -> None:
    mask = read(beside(path, "infection masks"))
    mask[:6, :6] = 255  # a corner, where no lung is
    repaint(beside(path, "infection masks"), mask)


def mark_inside(path: Path, _: object) -> None:
    """A class without infection gets the half of a lung."""
    mask = read(beside(path, "lung masks"))
    mask[: len(mask) // 2] = 0
    repaint(beside(path, "infection masks"), mask)


def rename(path: Path, _: object) -> Path:
    """As 41 files of the real dataset are named: with a capital letter."""
    renamed = path.with_name(path.name.capitalize())
    for folder in ("images", "infection masks", "lung masks"):
        beside(path, folder).rename(beside(renamed, folder))
    return renamed


FAULTS: dict[str, Fault] = {
    "missing": lambda path, _: beside(path, "infection masks").unlink(),
    "missing image": lambda path, _: path.unlink(),
    "odd_name": rename,
    "unexpected_infection": mark_inside,
    "unreadable": lambda path, rng: path.write_bytes(path.read_bytes()[: rng.integers(30, 900)]),
    "wrong_mode": lambda path, _: repaint(path, cv2.merge([read(path)] * 3)),
    "wrong_size": lambda path, _: repaint(path, cv2.resize(read(path), (50, 60))),
    "wrong_values": lambda path, _: repaint(
        beside(path, "lung masks"), read(beside(path, "lung masks")) // 3
    ),
    "empty_mask": lambda path, _: repaint(
        beside(path, "infection masks"), np.zeros_like(read(path))
    ),
    "infection_outside_lung": mark_outside,
    "infection_is_lung": lambda path, _: shutil.copy(
        beside(path, "lung masks"), beside(path, "infection masks")
    ),
}


def is_lung(path: Path) -> bool:
    return np.array_equal(*(read(beside(path, f"{name} masks")) for name in ("infection", "lung")))


def key(path: Path) -> tuple[str, str, str]:
    return path.parents[2].name, path.parents[1].name, path.name


def take_out_lookalikes(root: Path) -> int:
    """Leave one of each family: phantoms are drawn from a few numbers, and some meet.

    So most pairs of untouched phantoms cannot count against the precision. On the real data nobody
    knows the truth; there the pairs were looked at.
    """
    n_taken = 0
    while True:  # the neighbours of those that are left are others
        paths = sorted(root.glob(f"{TREE}/*/*/images/*.png"))
        found = duplicates(np.stack([read(path) for path in paths]))
        alike = families((pair.first, pair.second) for pair in found.pairs)
        if not alike:
            return n_taken
        for path in (paths[row] for family in alike for row in family[1:]):
            for folder in ("images", "infection masks", "lung masks"):
                beside(path, folder).unlink()
            n_taken += 1


def plant(root: Path, rng: np.random.Generator) -> Truth:
    """Spoil images of COVID-19 here and there, none of them twice."""
    covid, normal = (
        list(map(Path, rng.permutation(sorted(map(str, root.glob(f"{TREE}/*/{c}/images/*.png"))))))
        for c in ("COVID-19", "Normal")
    )
    same = {path for path in covid if is_lung(path)}  # some phantoms are drawn so
    untouched = (path for path in covid if path not in same)
    of_class = {"unexpected_infection": iter(normal)}
    truth: Truth = defaultdict(set)
    truth["infection_is_lung"] |= {frozenset({key(path)}) for path in same}
    for kind, spoil in FAULTS.items():
        for _ in range(N_OF_EACH):
            path = next(of_class.get(kind, untouched))
            renamed = spoil(path, rng)
            name = key(renamed if kind == "odd_name" else path)
            truth[kind.partition(" ")[0]].add(frozenset({name}))
    for kind, change in COPIES.items():
        for _ in range(N_OF_EACH):
            source, copy = next(untouched), next(untouched)
            repaint(copy, change(read(source), rng))
            truth[kind].add(frozenset({key(source), key(copy)}))
    return truth


def found_by(path: Path) -> Iterator[tuple[str, frozenset]]:
    for finding in findings.read(path):
        if finding.kind != "masks_disagree":  # of every copy: its mask is another image's
            yield finding.kind, frozenset({finding.a, finding.b} - {None})


@pytest.mark.timeout(3600)
def test_all_that_was_planted_is_found_and_hardly_anything_else(verb, tmp_path):
    n_spoilt = N_OF_EACH * (len(FAULTS) + 2 * len(COPIES))
    n_images = {"Train": 2 * n_spoilt, "Val": n_spoilt, "Test": n_spoilt}
    write(tmp_path / "dataset", 11, n_images, size=256)
    n_alike = take_out_lookalikes(tmp_path / "dataset")
    truth = plant(tmp_path / "dataset", np.random.default_rng(0))
    done = verb("explore", "data.root=dataset", "data.cache_dir=cache", "hydra.run.dir=x")
    assert done.code == 0, done.err
    found = list(found_by(tmp_path / "x" / "findings.csv"))
    pairs = {images for kind, images in found if kind in findings.COPIES}
    planted_pairs = set().union(*(truth[kind] for kind in COPIES))
    print(f"\n{sum(n_images.values())} images, {n_alike} of them taken out")
    print(f"copies: precision {len(pairs & planted_pairs)} of {len(pairs)}")
    for kind in COPIES:
        print(f"{kind}: recall {len(truth[kind] & pairs)} of {len(truth[kind])}")
    for kind in sorted({kind.partition(" ")[0] for kind in FAULTS}):
        of_kind = {images for name, images in found if name == kind}
        right = len(of_kind & truth[kind])
        print(f"{kind}: recall {right} of {len(truth[kind])}, precision {right} of {len(of_kind)}")
        assert of_kind == truth[kind], kind
    assert len(pairs & planted_pairs) >= 0.95 * len(planted_pairs)  # 156 of 160, or all of 16
    assert pairs >= set().union(*(truth[kind] for kind in ("copied", "toned", "compressed")))
    assert len(pairs - planted_pairs) <= 0.3 * len(planted_pairs)  # phantoms share their anatomy
    mirrored = {images for kind, images in found if kind.endswith("mirrored")} & planted_pairs
    assert mirrored == pairs & set().union(*(truth[kind] for kind in COPIES if "mirrored" in kind))
    assert {images for kind, images in found if kind == "exact_duplicate"} == truth["copied"]
