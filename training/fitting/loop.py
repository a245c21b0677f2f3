"""The compiled training loop: one call runs a whole epoch, on the device where the images are.

Picking, mixing, deforming and stepping are one graph, so nothing is copied from the host between two steps. On a GPU
XLA compiles it: a step then takes the time of its arithmetic, not that of launching single operations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from training.data.targets import Targets
from training.errors import TrainingError
from training.fitting.batches import Order
from training.model import network
from training.recipe import Recipe
from training.synthesis import augment

_LOSS, _DEFORM = 0, 1  # streams of random numbers: of the loss, of the deformations
_VALIDATION_BATCH = 1_000
_NOT_FINITE = "The {} epoch {}. Nothing was published: train with a lower learning rate, or without --mixed-precision."


class Batch(NamedTuple):
    """A batch as the network sees it.

    `images` float32 [N, 28, 28], `targets` float32 [N, 10], `own` bool [N]: which are the user's own digits. `seed`,
    int32 [2], is for random numbers of the loss.
    """

    images: Any
    targets: Any
    own: Any
    seed: Any


#: (batch, outputs) -> the loss of each image, [N]. Not a mean of Keras', which divides by the replicas too.
Loss = Callable[[Batch, Any], Any]


class Images(NamedTuple):
    """Images, uint8 [N, 28, 28], and their targets, float32 [N, 10], as variables on the device.

    Those from number `own_from` on are the user's own digits.
    """

    pixels: Any
    targets: Any
    own_from: int


class Figures(NamedTuple):
    """Mean loss and accuracy of an epoch."""

    loss: float
    accuracy: float


def place(pixels: Any, targets: Targets, *, own: int = 0) -> Images:
    """Put images, uint8 [N, 28, 28], and targets, float32 [N, 10], on the devices of the strategy in scope.

    The last `own` of them are the user's own digits.
    """
    on_device = [tf.Variable(each, trainable=False) for each in (pixels, targets)]
    return Images(on_device[0], on_device[1], len(targets) - own)


@dataclass(eq=False, repr=False)  # TensorFlow prints it in warnings: without the images
class Loop:
    """Trains a compiled Keras model, one epoch of `steps` a call.

    `seed` is that of the deformations; `xla` compiles the epoch; a NaN loss is an error unless it `may_diverge`.
    """

    model: Any
    loss: Loss
    images: Images
    recipe: Recipe
    strategy: Any
    seed: int
    steps: int
    xla: bool
    may_diverge: bool = False

    def __post_init__(self) -> None:
        self._epoch = tf.function(self._run, jit_compile=self.xla)
        self.model.optimizer.build(self.model.trainable_variables)

    def train(self, order: Order, first_step: int) -> Figures:
        """Train on the images of `order`, int64 [steps, batch]; its first row is step `first_step` of the run.

        Raises:
            TrainingError: the loss or the weights were not finite; the message names the step or epoch.
        """
        with tf.device(self.strategy.extended.worker_devices[0]):
            sums, finite_until = self._epoch(tf.constant(order), tf.constant(first_step))
            loss, right, digits = sums.numpy()
        if not self.may_diverge:
            self._check_finite(first_step, int(finite_until))
        return Figures(float(loss) / self.steps, float(right / max(digits, 1)))

    def _check_finite(self, first_step: int, steps: int) -> None:
        """Check losses and weights; weights too, because ReLU turns NaN into zero."""
        epoch = first_step // self.steps + 1
        if steps < self.steps:
            what = f"loss was not a finite number at step {first_step + steps:,}, in"
            raise TrainingError(_NOT_FINITE.format(what, epoch))
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise TrainingError(_NOT_FINITE.format("weights were not finite numbers after", epoch))

    def _run(self, order: Any, first_step: Any) -> Any:
        """Return the sum of losses, the digits read right, all digits, and how many steps had a finite loss."""
        sums, finite_until = tf.zeros(3), tf.constant(self.steps)
        for index in tf.range(self.steps):
            parts = self.strategy.run(self._step, args=(order[index], first_step + index))
            step = self.strategy.reduce(tf.distribute.ReduceOp.SUM, parts, axis=None)
            sums += step
            finite = tf.math.is_finite(step[0])
            finite_until = tf.where(finite, finite_until, tf.minimum(finite_until, index))
        return sums, finite_until

    def _step(self, chosen: Any, step: Any) -> Any:
        """Make one step on this replica's part of a batch; return its share of the three sums."""
        replica = tf.distribute.get_replica_context()
        chosen = _part_of(replica, chosen)
        pixels = tf.cast(tf.gather(self.images.pixels, chosen), tf.float32)
        targets = tf.gather(self.images.targets, chosen)
        if self.recipe.deformation is not None:
            pixels = augment.deform(pixels, _seed(replica, self.seed, _DEFORM, step), self.recipe.deformation)
        batch = Batch(pixels, targets, chosen >= self.images.own_from, _seed(replica, self.seed, _LOSS, step))
        with tf.GradientTape() as tape:
            answers = self.model(pixels, training=True)
            loss = tf.reduce_mean(self.loss(batch, answers)) / replica.num_replicas_in_sync
            scaled = self.model.optimizer.scale_loss(loss)
        weights = self.model.trainable_variables
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        if replica.num_replicas_in_sync > 1 and isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer):
            # Keras skips a step if float16 overflowed on the first replica; so all replicas get the same gradients.
            gradients = replica.all_reduce(tf.distribute.ReduceOp.MEAN, gradients)
        self.model.optimizer.apply(gradients, weights)
        return tf.stack([loss, *network.count_right(targets, answers)])


def _part_of(replica: Any, chosen: Any) -> Any:
    """Return this replica's part of a batch; all of it on a single device."""
    count = replica.num_replicas_in_sync
    if count == 1:
        return chosen
    number, size = replica.replica_id_in_sync_group, chosen.shape[0]
    return chosen[number * size // count : (number + 1) * size // count]


def _seed(replica: Any, seed: int, stream: int, step: Any) -> Any:
    """Return the seed of one step's random numbers, int32 [2]; each replica has its own."""
    own_step = step * replica.num_replicas_in_sync + replica.replica_id_in_sync_group
    return tf.stack([tf.constant(2 * seed + stream, tf.int32), own_step])


class Validation:
    """Validates a model on images, uint8 [N, 28, 28], and targets, float32 [N, 10]."""

    def __init__(self, model: Any, pixels: Any, targets: Targets) -> None:
        self._model, self._pixels, self._targets = model, pixels.astype(np.float32), targets
        self._answer = tf.function(lambda images: model(images, training=False), reduce_retracing=True)

    def judge(self) -> Figures:
        """Return mean loss and accuracy."""
        starts = range(0, len(self._pixels), _VALIDATION_BATCH)
        batches = [self._pixels[start : start + _VALIDATION_BATCH] for start in starts]
        answers = tf.concat([self._answer(tf.constant(batch)) for batch in batches], axis=0)
        right, digits = network.count_right(self._targets, answers)
        return Figures(float(self._model.loss(self._targets, answers)), float(right / digits))
