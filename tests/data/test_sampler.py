"""Shares are exact: N processes see what one would see, and a score sees every image once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from covseg.data.sampler import FitSampler, ScoreBatches

N, BATCH, WORLD = st.integers(0, 120), st.integers(1, 9), st.integers(1, 6)


def places(n, batch, rank=0, world=1, seed=0, epoch=0):
    sampler = FitSampler(range(n), batch, rank=rank, world_size=world, seed=seed)
    sampler.set_epoch(epoch)
    draws = list(sampler)
    assert len(draws) == len(sampler)
    assert {draw.epoch for draw in draws} <= {epoch}
    return [draw.place for draw in draws]


@settings(max_examples=100, deadline=None)
@given(n=N, batch=BATCH, world=WORLD, epoch=st.integers(0, 5), seed=st.integers(0, 2**32 - 1))
def test_the_batches_of_all_processes_are_the_batches_of_one(n, batch, world, epoch, seed):
    shares = [places(n, batch, rank, world, seed, epoch) for rank in range(world)]
    alone = places(n, batch * world, seed=seed, epoch=epoch)
    assert {len(share) for share in shares} == {len(alone) // world}  # the same steps everywhere
    for step in range(len(alone) // (batch * world)):
        together = [p for share in shares for p in share[step * batch : (step + 1) * batch]]
        assert together == alone[step * batch * world : (step + 1) * batch * world]


@settings(max_examples=100, deadline=None)
@given(n=N, batch=BATCH, world=WORLD)
def test_only_the_incomplete_global_batch_is_dropped(n, batch, world):
    drawn = [place for rank in range(world) for place in places(n, batch, rank, world)]
    assert len(set(drawn)) == len(drawn) == n - n % (batch * world)
    assert set(drawn) <= set(range(n))


def test_a_seed_gives_one_order_for_every_epoch_and_another_for_the_next():
    orders = [places(40, 4, epoch=epoch) for epoch in range(5)]
    assert orders == [places(40, 4, epoch=epoch) for epoch in range(5)]
    orders += [places(40, 4, seed=1, epoch=epoch) for epoch in range(5)]
    assert len({tuple(order) for order in orders}) == 10
    assert all(sorted(order) == list(range(40)) for order in orders)


def test_a_sampler_that_is_used_again_keeps_its_order_until_the_next_epoch():
    sampler = FitSampler(range(20), 4, rank=0, world_size=1, seed=0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert [draw.place for draw in sampler] != [draw.place for draw in first]


def test_every_image_is_dropped_in_some_epochs_only():
    drawn = np.bincount(np.concatenate([places(10, 4, epoch=e) for e in range(50)]), minlength=10)
    assert drawn.min() > 25
    assert drawn.max() < 50


def test_the_global_random_state_is_not_used():
    np.random.seed(0)  # noqa: NPY002 - the legacy state is what must stay untouched
    first = places(40, 4)
    np.random.seed(1)  # noqa: NPY002
    assert places(40, 4) == first


@settings(max_examples=100, deadline=None)
@given(n=N, world=st.integers(1, 12))
def test_a_score_sees_every_image_exactly_once(n, world):
    samplers = batches_of([(256, 256)] * n, world)
    assert sorted(place for batches in samplers for batch in batches for place in batch) == [
        *range(n)
    ]
    assert all(len(list(batches)) == len(batches) for batches in samplers)
    lengths = [sum(map(len, batches)) for batches in samplers]
    assert max(lengths) - min(lengths) <= 1


SIZES = st.lists(st.sampled_from([(64, 64), (64, 80), (3000, 2500), (4096, 4096)]), max_size=60)


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, world=st.integers(1, 5))
def test_images_of_several_sizes_are_in_batches_of_one_size(sizes, world):
    batches = [batch for of_rank in batches_of(sizes, world) for batch in of_rank]
    assert sorted(place for batch in batches for place in batch) == list(range(len(sizes)))
    for batch in batches:
        [(height, width)] = {sizes[place] for place in batch}
        assert len(batch) <= 4
        assert len(batch) == 1 or len(batch) * height * width <= 2**24


@pytest.mark.parametrize("world", [1, 2])
def test_a_score_sees_images_in_the_order_of_the_table(world):
    sampler, *_ = batches_of([(256, 256)] * 7, world)
    assert list(sampler) == list(sampler)
    assert [place for batch in sampler for place in batch] == list(range(0, 7, world))
    assert {len(batch) for batch in list(sampler)[:-1]} <= {4}


def batches_of(sizes: list[tuple[int, int]], world: int) -> list[ScoreBatches]:
    """The batches of every process."""
    return [ScoreBatches(sizes, 4, rank=rank, world_size=world) for rank in range(world)]
