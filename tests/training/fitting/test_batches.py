import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training.data.mnist import NO_DIGIT, Bytes, Mnist
from training.fitting import batches
from training.recipe import Mixture, Recipe
from training.synthesis.pool import Part

PLAIN = Recipe(name="plain", summary="no deformation", batch_size=10)
MIXED = replace(PLAIN, name="mixed", mixture=Mixture(share=0.4))


def stamped(count: int) -> tuple[Bytes, Bytes]:
    """Return images that hold their number, with a label that follows from it."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0] = np.arange(count)
    return images, (np.arange(count) * 7 % 10).astype(np.uint8)


def take(count: int, images: Bytes, labels: Bytes, recipe: Recipe = PLAIN, **options: Any) -> list[tuple[Any, Any]]:
    return list(batches.batches(images, labels, recipe, **{"seed": 1} | options).take(count).as_numpy_iterator())


def numbers(batch: tuple[Any, Any]) -> list[int]:
    return batch[0][:, 0, 0].astype(int).tolist()


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(100, 10, 10), (109, 10, 10), (10, 10, 1), (9, 10, 1), (1, 10, 1), (55_000, 128, 429)],
)
def test_steps_per_epoch_counts_full_batches_and_at_least_one(count: int, batch_size: int, steps: int) -> None:
    assert batches.steps_per_epoch(count, batch_size) == steps


def test_a_batch_is_a_function_of_its_step(data: Mnist, recipe: Recipe) -> None:
    assert recipe.deformation is not None
    images, labels = data.train_images[:300], data.train_labels[:300]
    whole = take(14, images, labels, recipe)  # an epoch is six batches
    for first_step in (5, 6):
        found = take(14 - first_step, images, labels, recipe, first_step=first_step)
        for found_batch, expected_batch in zip(found, whole[first_step:], strict=True):
            np.testing.assert_array_equal(found_batch[0], expected_batch[0])
            np.testing.assert_array_equal(found_batch[1], expected_batch[1])


@pytest.mark.parametrize("first_step", [0, 7])
def test_deforming_in_the_step_gives_what_the_pipeline_gives(data: Mnist, recipe: Recipe, first_step: int) -> None:
    assert recipe.deformation is not None
    images, labels = data.train_images[:300], data.train_labels[:300]
    deform = batches.deforming(lambda batch: batch, recipe.deformation, seed=1)
    plain = take(3, images, labels, recipe, first_step=first_step, deformed=False)
    assert np.abs(plain[0][0] - plain[1][0]).max() > 0
    for found, expected in zip(map(deform, plain), take(3, images, labels, recipe, first_step=first_step), strict=True):
        np.testing.assert_allclose(found[0], expected[0], atol=1e-3)  # of 255
        np.testing.assert_array_equal(found[1], expected[1])


def test_shape_and_type(data: Mnist, recipe: Recipe) -> None:
    for chosen in (recipe, replace(recipe, deformation=None)):
        images, labels = take(1, data.train_images, data.train_labels, chosen)[0]
        assert (images.shape, images.dtype) == ((50, 28, 28), np.float32)
        assert (labels.shape, labels.dtype) == ((50, 10), np.float32)
        assert images.max() > 200, "pixels are not scaled here"


def test_an_epoch_shows_no_image_twice_and_epochs_differ_in_order() -> None:
    images, labels = stamped(103)
    shown = np.array([numbers(batch) for batch in take(30, images, labels)])
    seen = shown.reshape(3, 100).tolist()
    for epoch in seen:
        assert len(epoch) == len(set(epoch)) == 100
        assert epoch != sorted(epoch)
    assert seen[0] != seen[1] != seen[2] != seen[0]
    assert set(seen[0]) | set(seen[1]) | set(seen[2]) == set(range(103)), "the rest changes with the epoch"


def test_another_seed_gives_another_order() -> None:
    images, labels = stamped(100)
    assert numbers(take(1, images, labels, seed=1)[0]) != numbers(take(1, images, labels, seed=2)[0])


@pytest.mark.parametrize("seed", [0, (1 << 30) - 1])
def test_the_whole_range_of_seeds_works(seed: int, data: Mnist, recipe: Recipe) -> None:
    assert len(take(2, data.train_images, data.train_labels, recipe, seed=seed)) == 2


def test_labels_stay_with_their_images() -> None:
    for batch in take(25, *stamped(100)):
        assert batch[1].argmax(axis=1).tolist() == [number * 7 % 10 for number in numbers(batch)]
        assert batch[1].max(axis=1).tolist() == batch[1].sum(axis=1).tolist() == [1.0] * len(batch[0])


@pytest.mark.parametrize("count", [1, 7])
def test_fewer_images_than_a_batch_fill_it_with_repeats(count: int) -> None:
    for batch in take(3, *stamped(count)):
        assert len(batch[0]) == 10
        assert set(numbers(batch)) == set(range(count))


def pool_of(count: int) -> Part:
    """Return a pool whose images hold their number plus 128, every third of them no digit."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 0, 0] = 128 + np.arange(count)
    labels = np.where(np.arange(count) % 3, np.arange(count) % 10, NO_DIGIT).astype(np.uint8)
    return Part(images, labels, 0)


def test_a_fixed_number_of_each_batch_comes_from_the_pool() -> None:
    for batch in take(20, *stamped(100), MIXED, pool=pool_of(50)):
        assert sum(number >= 128 for number in numbers(batch)) == 4
        assert len(batch[0]) == 10


def test_the_pool_is_shuffled_by_itself_and_shown_in_full() -> None:
    assert batches.digits_per_batch(MIXED) == 6
    shown = [numbers(batch) for batch in take(30, *stamped(60), MIXED, pool=pool_of(52))]
    pool = np.array([row[6:] for row in shown])[:26].reshape(2, 52)
    assert set(pool[0]) == set(pool[1]) == set(range(128, 180))
    assert pool[0].tolist() != pool[1].tolist() != sorted(pool[1])
    digits = np.array([row[:6] for row in shown])
    assert all(set(epoch.ravel()) == set(range(60)) for epoch in np.split(digits, 3)), "ten batches are an epoch"


def test_targets_of_digits_are_sure_and_of_others_level() -> None:
    found = batches.targets(np.array([3, NO_DIGIT], np.uint8))
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [pytest.approx(0.1)] * 10]


def test_targets_stay_with_the_images_of_the_pool() -> None:
    pool = pool_of(50)
    for batch in take(20, *stamped(100), MIXED, pool=pool):
        for number, target in zip(numbers(batch)[6:], batch[1][6:], strict=True):
            np.testing.assert_array_equal(target, batches.targets(pool.labels[[number - 128]])[0])


def test_a_mixed_batch_is_a_function_of_its_step(recipe: Recipe) -> None:
    mixed = replace(recipe, mixture=Mixture(share=0.4))
    images, labels = stamped(100)
    whole = take(9, images, labels, mixed, pool=pool_of(50))
    later = take(3, images, labels, mixed, pool=pool_of(50), first_step=6)
    for found, expected in zip(later, whole[6:], strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_recipe_with_a_mixture_needs_its_pool() -> None:
    with pytest.raises(ValueError, match="mixes in a pool"):
        take(1, *stamped(20), MIXED)


def slow(seconds: float) -> Any:
    """Return an endless dataset that takes so long for each element, and fetches ahead as ours does."""

    def wait(step: Any) -> Any:
        time.sleep(seconds)
        return step

    elements = tf.data.Dataset.counter().map(lambda step: tf.ensure_shape(tf.py_function(wait, [step], tf.int64), []))
    return elements.prefetch(tf.data.AUTOTUNE)


def waiting(produce: float, consume: float) -> tuple[float, float]:
    """Return the seconds that the clock saw and those that this consumer really waited."""
    clock = batches.WaitClock()
    elements = iter(clock.watch(slow(produce)))
    next(elements)  # the first one pays for the start
    time.sleep(5 * produce)
    before, waited = clock.seconds, 0.0
    for _ in range(20):
        started = time.perf_counter()
        next(elements)
        waited += time.perf_counter() - started
        time.sleep(consume)
    return clock.seconds - before, waited


def test_wait_clock_sees_a_consumer_that_waits() -> None:
    found, waited = waiting(produce=0.02, consume=0.0)
    assert waited > 0.2
    assert found == pytest.approx(waited, rel=0.2)


def test_wait_clock_counts_no_time_in_which_nobody_waited() -> None:
    found, _ = waiting(produce=0.002, consume=0.02)
    assert found < 0.1  # of 0.4 s and more


def test_wait_clock_counts_the_consumer_not_the_producer() -> None:
    found, waited = waiting(produce=0.03, consume=0.015)  # the producer is busy all the time
    assert found == pytest.approx(waited, rel=0.35)


def test_wait_clock_changes_no_element() -> None:
    elements = batches.WaitClock().watch(tf.data.Dataset.range(5))
    assert list(elements.as_numpy_iterator()) == [0, 1, 2, 3, 4]
