"""What a pupil learns by: the answers of a trained teacher to the very images that the pupil sees.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": the softened probabilities say how alike
a digit is to the others, which its label does not. Labels are left out, and teacher and pupil see the same deformation
of the same digit, over many epochs, as Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and
consistent", found best.
"""

from collections.abc import Callable
from typing import Any

import keras


class Pupil(keras.Model):  # type: ignore[misc]
    """A network that learns from `teacher`; it has the weights of `network` and no others.

    What is evaluated, and what is said of an epoch's validation, goes by the labels, as without a teacher.
    """

    def __init__(self, network: Any, teacher: Any, temperature: float) -> None:
        super().__init__(name=network.name)
        self.network = network
        # behind a function Keras does not find it: its weights are neither trained nor saved with the pupil's
        self._teach: Callable[[Any], Any] = lambda images: teacher(images, training=False)
        self._temperature = temperature
        self.build(network.input_shape)  # so that a checkpoint can be loaded

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return the logits of the network, float32 [N, 10]."""
        return self.network(images, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a training step against the teacher's answers, of any other against the labels `y`."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training=False)
        return keras.ops.mean(divergence(self._teach(x), y_pred, self._temperature))


def divergence(teacher: Any, pupil: Any, temperature: float) -> Any:
    """Return how far `pupil` is from `teacher`, logits float32 [N, 10] each: float32 [N], zero where they answer alike.

    It is the Kullback-Leibler divergence of the softened probabilities, times the square of the temperature: so
    gradients keep their size whatever the temperature is (Hinton et al., section 2).
    """
    target, given = (keras.ops.log_softmax(logits / temperature, axis=-1) for logits in (teacher, pupil))
    return temperature**2 * keras.ops.sum(keras.ops.exp(target) * (target - given), axis=-1)
