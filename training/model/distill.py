"""Distillation: a student learns the answers of trained teachers to the images it sees.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": softened probabilities say how
similar a digit is to the others, which its label does not. Teachers and student see the same digits, deformed anew
over many epochs, which Beyer et al. 2022, "Knowledge distillation: A good teacher is patient and consistent", found
best. What the teachers see may be deformed once more: the student then learns the mean of their answers to all that a
digit could as well look like.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from training.model import network


def loss(
    teachers: Sequence[Any], temperature: float, deform: Callable[[Any, Any], Any] | None = None
) -> Callable[[Any, Any], Any]:
    """Return the loss function: (batch, student's logits [N, 10]) -> losses [N].

    `deform` makes of images, float32 [N, 28, 28], and a seed, int32 [2], what the teachers see. Targets count for the
    user's own digits alone, which teachers may misread.
    """

    def against_teachers(batch: Any, answers: Any) -> Any:
        seen = batch.images if deform is None else deform(batch.images, batch.seed)
        taught = divergence([teacher(seen, training=False) for teacher in teachers], answers, temperature)
        told = keras.ops.categorical_crossentropy(batch.targets, answers, from_logits=True)
        return keras.ops.where(batch.own, told, taught)

    return against_teachers


def divergence(teachers: Sequence[Any], student: Any, temperature: float) -> Any:
    """Return the divergence of `student` from the mean of `teachers`, all logits float32 [N, 10]: float32 [N].

    The Kullback-Leibler divergence of the softened probabilities, times the squared temperature, which keeps the size
    of the gradients (Hinton et al., section 2).
    """
    wanted = network.log_mean_probability(keras.ops.stack(teachers, axis=1) / temperature)
    given = keras.ops.log_softmax(student / temperature, axis=-1)
    return temperature**2 * keras.ops.sum(keras.ops.exp(wanted) * (wanted - given), axis=-1)
