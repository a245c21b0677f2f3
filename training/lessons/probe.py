"""Gradient norms, activations and dead units of a network in training.

Of an ensemble, those of the first member.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.data.mnist import Mnist
from training.data.targets import targets
from training.model import network
from training.recipe import Recipe

_GRADIENT_IMAGES = 1_000
_BINS = 60

Values = npt.NDArray[np.float32]


class Probe(keras.callbacks.Callback):  # type: ignore[misc]
    """Records gradient norms before training and after each epoch, and activations before and after training.

    `gradients` holds, for each of those times, the Euclidean norm of the loss's gradient for each layer's kernel over
    the first 1,000 training digits, undeformed. `start` and `end` hold a `look` at each layer on the validation digits.
    """

    def __init__(self, recipe: Recipe, data: Mnist) -> None:
        super().__init__()
        self.gradients: list[list[float]] = []
        self.start: list[dict[str, Any]] = []
        self.end: list[dict[str, Any]] = []
        self._recipe = recipe
        self._images = data.train_images[:_GRADIENT_IMAGES].astype(np.float32)
        self._targets = targets(data.train_labels[:_GRADIENT_IMAGES])
        self._validation = data.validation_images

    @property
    def _network(self) -> Any:
        return network.members(self.model)[0]

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.start = look(self._network, self._validation)
        self._note_gradients()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._note_gradients()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.end = look(self._network, self._validation)

    def _note_gradients(self) -> None:
        self.gradients.append(gradient_norms(self._network, network.loss(self._recipe), self._images, self._targets))


def gradient_norms(model: Any, loss: Any, images: Values, wanted: Values) -> list[float]:
    """Return the norm of the gradient of `loss` for each layer's kernel, first layer first, without dropout.

    `images` is float32 [N, 28, 28] of 0 to 255, `wanted` their targets, float32 [N, 10].
    """
    kernels = [layer.kernel.value for layer in dense_layers(model)]
    with tf.GradientTape() as tape:
        value = loss(wanted, model(images, training=False))
    return [float(tf.norm(gradient)) for gradient in tape.gradient(value, kernels)]


def look(model: Any, images: npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Return the activations of each layer, output included, on `images`, uint8 [N, 28, 28].

    `low`, `high` and `counts` are a histogram of 60 equal bins over all units and images. `units` counts the units, and
    `dead` the units of a ReLU layer that are zero for every image; None for another activation.
    """
    layers = dense_layers(model)
    inside = keras.Model(model.inputs[0], [layer.output for layer in layers])
    answers = inside.predict(images.astype(np.float32), batch_size=500, verbose=0)
    return [_summary(layer, values) for layer, values in zip(layers, keras.tree.flatten(answers), strict=True)]


def _summary(layer: Any, values: Values) -> dict[str, Any]:
    finite = values[np.isfinite(values)]  # a diverged training leaves NaN
    counts, edges = np.histogram(finite, _BINS)
    dead = int(np.sum(~values.any(axis=0))) if layer.activation is keras.activations.relu else None
    return {
        "layer": layer.name,
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "counts": counts.tolist(),
        "units": values.shape[1],
        "dead": dead,
    }


def dense_layers(model: Any) -> list[Any]:
    """Return the layers with weights, from the first hidden one to the output."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
