"""The input pipeline: shuffled, deformed batches, each a function of the seed and the step alone.

That is what makes a resumed run the same run: step 12,345 holds the same digits, deformed the same way, whether or not
the process was killed before it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract import LABELS
from training.data.mnist import Bytes
from training.recipe import Deformation, Recipe
from training.synthesis import augment
from training.synthesis.pool import Part

_SHUFFLE, _DEFORM = 0, 1  # streams of random numbers under one seed


def steps_per_epoch(count: int, size: int) -> int:
    """Return how many batches with `size` of them `count` images make; the rest of an epoch differs each time."""
    return max(1, count // size)


def digits_per_batch(recipe: Recipe) -> int:
    """Return how many of a batch's images are MNIST's. An epoch is one pass over those, whatever is mixed in."""
    return recipe.batch_size - recipe.pool_per_batch


def targets(labels: Bytes) -> npt.NDArray[np.float32]:
    """Return the probabilities to learn, float32 [N, 10]: 1 for the label; where there is no digit, 0.1 for each."""
    return _TARGETS[labels]


_TARGETS = np.vstack([np.eye(len(LABELS)), np.full(len(LABELS), 1 / len(LABELS))]).astype(np.float32)


def batches(
    images: Bytes,
    labels: Bytes,
    recipe: Recipe,
    *,
    seed: int,
    first_step: int = 0,
    pool: Part | None = None,
    deformed: bool = True,
) -> Any:
    """Return the endless `tf.data.Dataset` of (float32 [B, 28, 28] of 0 to 255, float32 [B, 10]) from `first_step` on.

    A batch holds `recipe.pool_per_batch` images of `pool`, which is shuffled by itself, and for the rest `images`; all
    are deformed together. Where they are not to be `deformed` here, the step follows, int64 [B], for `deforming`.
    """
    if recipe.pool_per_batch and pool is None:
        raise ValueError(f"recipe {recipe.name} mixes in a pool, and none is given")
    with tf.device("CPU"):  # captured by the pipeline, which runs on the CPU whatever trains
        answers = tf.constant(_TARGETS)
        digits = _Source(tf.constant(images), tf.constant(labels))
        others = None if pool is None else _Source(tf.constant(pool.images), tf.constant(pool.labels))

    def batch(step: Any) -> Any:
        pixels, classes = digits.take(digits_per_batch(recipe), step, lambda epoch: _seed(seed, _SHUFFLE, epoch))
        if others is not None and recipe.pool_per_batch:
            # the numbers below zero are the pool's epochs
            more, kinds = others.take(recipe.pool_per_batch, step, lambda epoch: _seed(seed, _SHUFFLE, -1 - epoch))
            pixels, classes = tf.concat([pixels, more], 0), tf.concat([classes, kinds], 0)
        pixels = tf.cast(pixels, tf.float32)
        wanted = tf.gather(answers, tf.cast(classes, tf.int32))
        if not deformed:
            return pixels, wanted, tf.fill([recipe.batch_size], step)
        if recipe.deformation is not None:
            pixels = augment.deform(pixels, _seed(seed, _DEFORM, step), recipe.deformation)
        return pixels, wanted

    dataset = tf.data.Dataset.counter(first_step).map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def deforming(train_step: Callable[[Any], Any], deformation: Deformation, *, seed: int) -> Callable[[Any], Any]:
    """Return a model's `train_step` with the deformation before it: on the device that trains, as part of the step.

    It takes batches that are not `deformed`. On one device they are then what they would have been; several share a
    batch, and each draws for its own part.
    """

    def deform_and_train(batch: Any) -> Any:
        pixels, wanted, steps = batch
        return train_step((augment.deform(pixels, _of_replica(_seed(seed, _DEFORM, steps[0])), deformation), wanted))

    return deform_and_train


def _of_replica(seed: Any) -> Any:
    """Return the seed of this replica: `seed` itself where there is no other."""
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return seed
    return tf.random.experimental.stateless_fold_in(seed, replica.replica_id_in_sync_group)


class _Source(NamedTuple):
    """Images and labels to take from, in another order in each epoch of theirs."""

    images: Any
    labels: Any

    def take(self, size: int, step: Any, seed_of: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Return the `size` images of `step` and their labels."""
        count = len(self.labels)
        steps = steps_per_epoch(count, size)
        epoch, position = step // steps, step % steps
        order = (tf.range(size, dtype=tf.int64) + position * size) % count
        shuffled = tf.random.experimental.index_shuffle(order, seed_of(epoch), count - 1)
        return tf.gather(self.images, shuffled), tf.gather(self.labels, shuffled)


def _seed(seed: int, stream: int, position: Any) -> Any:
    """Return the int32 [2] seed of one draw; the two streams of a run share no pair."""
    return tf.stack([tf.constant(2 * seed + stream, tf.int32), tf.cast(position, tf.int32)])


class WaitClock:
    """Measures how long the consumer of a dataset stands still because the next batch is not there yet.

    It times the request and the arrival around the pipeline's last stage, so it works inside a compiled training loop
    that no Python sees. Where a strategy fetches ahead for its devices it counts what the fetching waits, which is at
    least what they do.
    """

    def __init__(self) -> None:
        with tf.device("CPU"):
            self._seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False)

    @property
    def seconds(self) -> float:
        """Seconds waited since the start."""
        return float(self._seconds.numpy())

    def watch(self, dataset: Any) -> Any:
        """Return `dataset` with the clock at its end."""
        requested = tf.data.Dataset.counter().map(lambda _: tf.timestamp())

        def arrive(requested_at: Any, batch: Any) -> Any:
            self._seconds.assign_add(tf.timestamp() - requested_at)
            return batch

        options = tf.data.Options()
        # TensorFlow would fetch ahead behind the clock, which then sees a buffer wait and no consumer.
        options.experimental_optimization.inject_prefetch = False
        # zip asks its inputs in order: the time is taken, then the batch is waited for
        return tf.data.Dataset.zip(requested, dataset).map(arrive).with_options(options)
