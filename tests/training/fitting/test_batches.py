from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.fitting import batches
from training.recipe import Mixture, Recipe

PLAIN = Recipe(name="plain", summary="no deformation", batch_size=10)
MIXED = replace(PLAIN, name="mixed", mixture=Mixture(share=0.4))


def order(recipe: Recipe, steps: range, **given: Any) -> batches.Order:
    return batches.order(recipe, steps, **{"digits": 103, "pool": 0, "seed": 1} | given)


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(100, 10, 10), (109, 10, 10), (10, 10, 1), (9, 10, 1), (1, 10, 1), (55_000, 128, 429)],
)
def test_steps_per_epoch_counts_full_batches_and_at_least_one(count: int, batch_size: int, steps: int) -> None:
    assert batches.steps_per_epoch(count, batch_size) == steps


@pytest.mark.parametrize("recipe", [PLAIN, MIXED])
def test_a_batch_is_a_function_of_its_step(recipe: Recipe) -> None:
    whole = order(recipe, range(40), pool=50)
    for first in (5, 10, 31):
        np.testing.assert_array_equal(order(recipe, range(first, 40), pool=50), whole[first:])


def test_an_epoch_shows_no_image_twice_and_epochs_differ_in_order() -> None:
    epochs = order(PLAIN, range(30)).reshape(3, 100).tolist()
    for epoch in epochs:
        assert len(set(epoch)) == 100
        assert epoch != sorted(epoch)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert {image for epoch in epochs for image in epoch} == set(range(103)), "the rest changes with the epoch"


def test_each_seed_gives_an_order_of_its_own() -> None:
    orders = [order(PLAIN, range(2), seed=seed).tolist() for seed in (0, 1, 2, (1 << 30) - 1)]
    assert all(np.shape(found) == (2, 10) for found in orders)
    assert len(set(map(str, orders))) == 4


@pytest.mark.parametrize("count", [1, 7])
def test_fewer_images_than_a_batch_fill_it_with_repeats(count: int) -> None:
    for batch in order(PLAIN, range(3), digits=count):
        assert len(batch) == 10
        assert set(batch) == set(range(count))


def test_the_pool_is_shuffled_by_itself_and_shown_in_full() -> None:
    assert batches.digits_per_batch(MIXED) == 6
    found = order(MIXED, range(30), digits=60, pool=52)
    passes = found[:26, 6:].reshape(2, 52).tolist()
    assert set(passes[0]) == set(passes[1]) == set(range(60, 112))
    assert passes[0] != passes[1] != sorted(passes[1])
    assert all(set(epoch.ravel()) == set(range(60)) for epoch in np.split(found[:, :6], 3)), "ten batches are an epoch"


def test_a_recipe_with_a_mixture_needs_its_pool() -> None:
    with pytest.raises(ValueError, match="needs a pool"):
        order(MIXED, range(1))


def test_own_digits_end_each_batch_and_change_no_other_stream() -> None:
    own = replace(MIXED, own_share=0.2)
    found = order(own, range(20), pool=50, own=7)
    assert found.shape == (20, 10)
    assert ((found >= 153).sum(axis=1) == 2).all()
    assert set(found[:, 8:].ravel()) == set(range(153, 160))
    assert batches.digits_per_batch(own) == 4
    np.testing.assert_array_equal(found[:, 4:8], order(MIXED, range(20), pool=50)[:, 6:])
    with pytest.raises(ValueError, match="own digits"):
        order(own, range(1), pool=50)
