"""The input pipeline: shuffled, deformed batches, each a function of the seed and the step alone.

That is what makes a resumed run the same run: step 12,345 holds the same digits, deformed the same way, whether or not
the process was killed before it.
"""

from typing import Any

import tensorflow as tf

from training import augment
from training.dataset import Bytes
from training.recipes import Recipe

_SHUFFLE, _DEFORM = 0, 1  # streams of random numbers under one seed


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many full batches `count` images make; the rest of an epoch is other images each time."""
    return max(1, count // batch_size)


def batches(images: Bytes, labels: Bytes, recipe: Recipe, *, seed: int, first_step: int = 0) -> Any:
    """Return the endless `tf.data.Dataset` of (float32 [B, 28, 28] of 0 to 255, uint8 [B]) from `first_step` on."""
    count, size = len(images), recipe.batch_size
    steps = steps_per_epoch(count, size)
    with tf.device("CPU"):  # captured by the pipeline, which runs on the CPU whatever trains
        pixels, answers = tf.constant(images), tf.constant(labels)

    def batch(step: Any) -> Any:
        epoch, position = step // steps, step % steps
        order = (tf.range(size, dtype=tf.int64) + position * size) % count
        shuffled = tf.random.experimental.index_shuffle(order, _seed(seed, _SHUFFLE, epoch), count - 1)
        digits = tf.cast(tf.gather(pixels, shuffled), tf.float32)
        if recipe.deformation is not None:
            digits = augment.deform(digits, _seed(seed, _DEFORM, step), recipe.deformation)
        return digits, tf.gather(answers, shuffled)

    dataset = tf.data.Dataset.counter(first_step).map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


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
