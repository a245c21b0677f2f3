"""The deep MLP of a recipe, from pixels to logits."""

from typing import Any

import keras

from service.contract import IMAGE_SIDE, LABELS
from training.recipes import Recipe


def build(recipe: Recipe, *, precision: str | None = None) -> Any:
    """Return the untrained Keras model: float32 images [N, 28, 28] of 0 to 255 in, float32 logits [N, 10] out.

    `precision` is Keras' name of what the hidden layers compute in; the default is the global policy.

    Scaling to [0, 1] is a layer, so that nobody outside has to know of it. The softmax is none: cross-entropy on
    logits is the stabler sum, and the export adds it behind the temperature.
    """
    hidden = [
        keras.layers.Dense(
            units,
            activation=recipe.activation,
            kernel_initializer=recipe.kernel_initializer,
            bias_initializer=recipe.bias_initializer,
            dtype=precision,
            name=f"hidden_{number}",
        )
        for number, units in enumerate(recipe.hidden, start=1)
    ]
    logits = keras.layers.Dense(
        len(LABELS),
        kernel_initializer=recipe.kernel_initializer,
        bias_initializer=recipe.bias_initializer,
        dtype="float32",  # also under mixed precision: a loss in float16 underflows
        name="logits",
    )
    layers = [
        keras.Input((IMAGE_SIDE, IMAGE_SIDE), name="images"),
        keras.layers.Rescaling(1 / 255, dtype=precision, name="scale"),
        keras.layers.Flatten(dtype=precision, name="flatten"),
        *hidden,
        logits,
    ]
    return keras.Sequential(layers, name=recipe.name.replace("-", "_"))


def compile_for(model: Any, recipe: Recipe, *, steps_per_epoch: int, epochs: int, steps_per_execution: int = 1) -> None:
    """Attach the recipe's optimizer, learning-rate schedule, loss and metric to `model`."""
    warmup_steps = round(recipe.warmup_epochs * steps_per_epoch)
    learning_rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, epochs * steps_per_epoch - warmup_steps),
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[DigitAccuracy(name="accuracy")],
        steps_per_execution=steps_per_execution,
        # Keras would compile with XLA, which is no faster here on a CPU, and ended a run with a segmentation fault.
        jit_compile=False,
    )


class DigitAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """The share of digits that are read right; pictures without a digit, whose targets are level, do not count."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Take in targets and logits, [N, 10] each."""
        right = keras.ops.equal(keras.ops.argmax(y_true, axis=-1), keras.ops.argmax(y_pred, axis=-1))
        super().update_state(right, sample_weight=keras.ops.max(y_true, axis=-1) > _DIGIT_FROM)


_DIGIT_FROM = 0.5  # of a target's largest probability
