"""Small things that several tests of this room share: random cases, rows, hand-made stores."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from covseg.data.index import Row
from covseg.data.store import Store
from listings import official, row

CLASSES = ("COVID-19", "Non-COVID", "Normal")
Case = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="session")
def random_case() -> Callable[..., Case]:
    """A probability and a truth; some masks and predictions are empty, full, or tie at 0.5."""

    def make(
        seed: int,
        n: int = 5,
        targets: int = 1,
        size: tuple[int, int] = (7, 6),
        truth_size: tuple[int, int] | None = None,
    ) -> Case:
        draw = np.random.default_rng(seed)
        share = draw.choice([0.0, 0.1, 0.6, 1.0], (n, targets, 1, 1))
        truth = draw.random((n, targets, *(truth_size or size))) < share
        probability = draw.random((n, targets, *size))
        # up to 0.4 nothing is predicted, up to 0.55 a few pixels are
        probability *= draw.choice([0.4, 0.55, 1.0, 1.0], (n, targets, 1, 1))
        tie = draw.random(probability.shape) < 0.1
        return (
            torch.from_numpy(np.where(tie, 0.5, probability).astype(np.float32)),
            torch.from_numpy(truth.astype(np.uint8)),
        )

    return make


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[Row]]:
    """Classes -> rows as an index has them, sorted; every one with an infection and a lung mask."""

    def make(classes: Sequence[str], split: str = "Test", lung: str | None = "lung") -> list[Row]:
        rows = [
            row(split, name, f"image ({n:03}).png", f"image{n}", f"infection{n}", lung)
            for n, name in enumerate(classes)
        ]
        return sorted(rows, key=lambda row: row.key)

    return make


@pytest.fixture(scope="session")
def make_store(make_rows: Callable[..., list[Row]]) -> Callable[..., Store]:
    """Masks {0, 1} [n, height, width] -> a store; the lungs are full where nothing else is said."""

    def make(
        infection: np.ndarray,
        lung: np.ndarray | None = None,
        classes: Sequence[str] | None = None,
        has_lungs: bool = True,
    ) -> Store:
        infection = np.asarray(infection, np.uint8)
        if classes is None:
            classes = ["COVID-19"] * len(infection)
        rows = make_rows(sorted(classes), lung="lung" if has_lungs else None)
        lung = np.ones_like(infection) if lung is None else np.asarray(lung, np.uint8)
        masks = {"infection": infection, "lung": lung}
        return Store(official(tuple(rows)), "key", np.zeros_like(infection), masks)

    return make
