"""Planes of any size in a row of bytes are the planes that were put there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covseg.data.planes import Chained, FlatPlanes, common_size

SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12)


def drawn(sizes: list[tuple[int, int]], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, size, np.uint8) for size in sizes]


def flat(planes: list[np.ndarray]) -> FlatPlanes:
    content = np.concatenate([plane.ravel() for plane in planes])
    return FlatPlanes(content, np.array([plane.shape for plane in planes], np.int64))


def are_equal(planes: object, expected: list[np.ndarray]) -> bool:
    pairs = list(zip(planes, expected, strict=True))  # type: ignore[call-overload]
    return all(np.array_equal(one, other) for one, other in pairs)


@given(SIZES)
def test_every_plane_is_where_it_was_put(sizes):
    planes = drawn(sizes)
    stored = flat(planes)
    assert len(stored) == len(planes)
    assert are_equal(stored, planes)
    assert are_equal([stored[row] for row in reversed(range(len(planes)))], planes[::-1])


@given(SIZES)
def test_a_row_that_does_not_exist_is_an_error(sizes):
    stored = flat(drawn(sizes))
    with pytest.raises(IndexError):
        stored[len(sizes)]


def test_no_planes_are_no_trouble():
    empty = FlatPlanes(np.zeros(0, np.uint8), np.zeros((0, 2), np.int64))
    assert len(empty) == 0
    assert list(empty) == []
    assert common_size(empty) is None


def test_planes_of_a_file_are_views_of_it(tmp_path):
    """Protects: a store of gigabytes is not copied into memory."""
    planes = drawn([(3, 4), (5, 2)])
    path = tmp_path / "planes.bin"
    path.write_bytes(b"".join(plane.tobytes() for plane in planes))
    mapped = np.memmap(path, np.uint8, "r")
    stored = FlatPlanes(mapped, np.array([(3, 4), (5, 2)]))
    assert are_equal(stored, planes)
    assert all(np.shares_memory(plane, mapped) for plane in stored)
    with pytest.raises(ValueError, match="read-only"):
        stored[0][0, 0] = 1


@given(SIZES, SIZES)
def test_chained_planes_are_those_of_both_groups(first, second):
    one, other = drawn(first, 1), drawn(second, 2)
    chained = Chained(one, flat(other))
    assert len(chained) == len(one) + len(other)
    assert are_equal(chained, [*one, *other])
    assert np.array_equal(chained[len(one)], other[0])
    assert are_equal(Chained([], flat(other)), other)


@given(SIZES)
def test_the_common_size_is_the_one_that_all_planes_have(sizes):
    expected = sizes[0] if len(set(sizes)) == 1 else None
    assert common_size(flat(drawn(sizes))) == expected


def test_an_array_has_a_common_size_too():
    assert common_size(np.zeros((4, 6, 5), np.uint8)) == (6, 5)
