"""Distillation: a student learns the answers of a trained teacher to the images it sees.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": softened probabilities say how
similar a digit is to the others, which its label does not. Teacher and student see the same
deformation of the same digit, over many epochs, which Beyer et al. 2022, "Knowledge distillation: A good teacher is
patient and consistent", found best.
"""

from collections.abc import Callable
from typing import Any

import keras


def loss(teacher: Any, temperature: float) -> Callable[..., Any]:
    """Return the loss function: (images, targets, student's logits, which are the user's own: bool [N]) -> scalar.

    Targets count for the user's own digits alone, which the teacher may misread.
    """

    def against_teacher(images: Any, targets: Any, answers: Any, own: Any) -> Any:
        taught = divergence(teacher(images, training=False), answers, temperature)
        told = keras.ops.categorical_crossentropy(targets, answers, from_logits=True)
        return keras.ops.mean(keras.ops.where(own, told, taught))

    return against_teacher


def divergence(teacher: Any, student: Any, temperature: float) -> Any:
    """Return the divergence of `student` from `teacher`, both logits float32 [N, 10]: float32 [N].

    The Kullback-Leibler divergence of the softened probabilities, times the squared temperature, which keeps the size
    of the gradients (Hinton et al., section 2).
    """
    target, given = (keras.ops.log_softmax(logits / temperature, axis=-1) for logits in (teacher, student))
    return temperature**2 * keras.ops.sum(keras.ops.exp(target) * (target - given), axis=-1)
