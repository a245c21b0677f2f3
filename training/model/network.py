"""The network of a recipe, from pixels to logits, with its optimizer and loss."""

from functools import partial
from typing import Any

import keras
import tensorflow as tf

from service.contract import IMAGE_SIDE, LABELS
from training.recipe import Normal, Recipe

_LOSSES = {
    "cross_entropy": partial(keras.losses.CategoricalCrossentropy, from_logits=True),
    "mean_squared_error": keras.losses.MeanSquaredError,
}
_LEAST_PROBABILITY = 1e-30  # its logarithm is finite in float32


def build(recipe: Recipe, *, precision: str | None = None) -> Any:
    """Return the untrained Keras model: float32 images [N, 28, 28] of 0 to 255 in, float32 logits [N, 10] out.

    An ensemble has logits [N, members, 10], so that each member learns alone; `pooled` combines them. `precision` is
    Keras' name for the precision of the hidden layers; the default is the global policy.

    Scaling to [0, 1] is a layer of the model. The softmax is not: cross-entropy on logits is more stable, and the
    export adds temperature and softmax.
    """
    name = recipe.name.replace("-", "_")
    if recipe.members == 1:
        return _member(recipe, precision, name)
    images = keras.Input((IMAGE_SIDE, IMAGE_SIDE), name="images")
    answers = [_member(recipe, precision, f"member_{number}")(images) for number in range(1, recipe.members + 1)]
    return keras.Model(images, keras.ops.stack(answers, axis=1), name=name)


def _member(recipe: Recipe, precision: str | None, name: str) -> Any:
    layers = [
        keras.Input((IMAGE_SIDE, IMAGE_SIDE), name="images"),
        keras.layers.Rescaling(1 / 255, dtype=precision, name="scale"),
        keras.layers.Flatten(dtype=precision, name="flatten"),
    ]
    for number, units in enumerate(recipe.hidden, start=1):
        activation = _activation(recipe)
        layers.append(_dense(recipe, units, activation, precision, f"hidden_{number}"))
        if recipe.dropout:
            layers.append(keras.layers.Dropout(recipe.dropout, dtype=precision, name=f"dropout_{number}"))
    # float32 even under mixed precision: a float16 loss underflows
    layers.append(_dense(recipe, len(LABELS), recipe.output_activation, "float32", "logits"))
    return keras.Sequential(layers, name=name)


def _dense(recipe: Recipe, units: int, activation: Any, precision: str | None, name: str) -> Any:
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=_initializer(recipe.kernel_initializer),
        bias_initializer=_initializer(recipe.bias_initializer),
        dtype=precision,
        name=name,
    )


def _activation(recipe: Recipe) -> Any:
    if recipe.activation == "leaky_relu":
        return partial(keras.activations.leaky_relu, negative_slope=recipe.negative_slope)
    return recipe.activation


def _initializer(given: str | Normal) -> Any:
    return keras.initializers.RandomNormal(stddev=given.deviation) if isinstance(given, Normal) else given


def members(model: Any) -> list[Any]:
    """Return the members of a model from `build`, each from images to logits [N, 10]; a single network is its own."""
    found = [layer for layer in model.layers if isinstance(layer, keras.Sequential)]
    return found or [model]


def pooled(model: Any) -> Any:
    """Return a model from `build` with logits [N, 10]; for an ensemble, the log of its mean probability.

    The temperature calibrates the mean, not each member, as in Rahaman and Thiery 2021, "Uncertainty Quantification
    and Deep Ensembles".
    """
    logits = model.outputs[0]
    return model if len(logits.shape) == 2 else keras.Model(model.inputs[0], log_mean_probability(logits))


def log_mean_probability(logits: Any) -> Any:
    """Return the logarithm of the mean over the members, float32 [N, 10], of softmax(logits), [N, members, 10]."""
    mean = keras.ops.mean(keras.ops.softmax(logits, axis=-1), axis=1)
    return keras.ops.log(keras.ops.maximum(mean, _LEAST_PROBABILITY))


def skip(model: Any, steps: int) -> None:
    """Set dropout to its state after so many steps, because no checkpoint holds its random state."""
    for member in members(model):
        for layer in member.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign_add([0, steps])  # a seed, and the number of masks drawn


def compile_for(model: Any, recipe: Recipe, *, steps_per_epoch: int, epochs: int) -> None:
    """Attach the recipe's optimizer, learning-rate schedule and loss to `model`."""
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
        alpha=recipe.final_rate,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
    )
    model.compile(
        optimizer=_optimizer(recipe, learning_rate),
        loss=loss(recipe) if recipe.members == 1 else _LossOfEachMember(loss(recipe)),
        jit_compile=False,  # of Keras' own loops; `fitting.loop` decides by itself
    )


def loss(recipe: Recipe) -> Any:
    """Return the recipe's Keras loss, of targets and outputs, [N, 10] each."""
    return _LOSSES[recipe.loss]()


def _optimizer(recipe: Recipe, learning_rate: Any) -> Any:
    decay = recipe.weight_decay or None
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(learning_rate, momentum=recipe.momentum, weight_decay=decay)
    else:
        optimizer = _FusedAdam(learning_rate, weight_decay=decay, name="adam")
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


class _FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam whose update of a variable is one TensorFlow op, not the dozen of Keras; the rule is the same."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update a `tf.Variable` and its moments in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class _LossOfEachMember(keras.losses.Loss):  # type: ignore[misc]
    """The sum of the members' losses: each learns as it would alone."""

    def __init__(self, of_one: Any) -> None:
        super().__init__(name="loss_of_each_member")
        self._of_one = of_one

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Take targets [N, 10] and outputs [N, members, 10]; return losses [N]."""
        targets = keras.ops.broadcast_to(keras.ops.expand_dims(y_true, 1), keras.ops.shape(y_pred))
        return keras.ops.sum(self._of_one.call(targets, y_pred), axis=-1)


def count_right(targets: Any, answers: Any) -> tuple[Any, Any]:
    """Return the number of digits read right and of all digits, both float32.

    `targets` is [N, 10], `answers` logits [N, 10], or [N, members, 10] of an ensemble. Pictures without a digit, with
    uniform targets, do not count.
    """
    if len(answers.shape) == 3:
        answers = log_mean_probability(answers)
    digits = keras.ops.max(targets, axis=-1) > _DIGIT_FROM
    right = keras.ops.equal(keras.ops.argmax(targets, axis=-1), keras.ops.argmax(answers, axis=-1))
    counts = (keras.ops.logical_and(right, digits), digits)
    read_right, all_digits = (keras.ops.sum(keras.ops.cast(each, "float32")) for each in counts)
    return read_right, all_digits


_DIGIT_FROM = 0.5  # a target with a larger probability is a digit's
