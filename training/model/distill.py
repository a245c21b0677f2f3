"""What a student learns by: the answers of a trained teacher to the very images that the student sees.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network": the softened probabilities say how alike
a digit is to the others, which its label does not. Labels are left out, and teacher and student see the same
deformation of the same digit, over many epochs, as Beyer et al. 2022, "Knowledge distillation: A good teacher is
patient and consistent", found best.
"""

from collections.abc import Callable
from typing import Any

import keras


def loss(teacher: Any, temperature: float) -> Callable[[Any, Any, Any], Any]:
    """Return the loss of a batch: from images, targets (which it ignores) and a student's answers to a scalar."""

    def against_teacher(images: Any, _targets: Any, answers: Any) -> Any:
        return keras.ops.mean(divergence(teacher(images, training=False), answers, temperature))

    return against_teacher


def divergence(teacher: Any, student: Any, temperature: float) -> Any:
    """Return how far `student` is from `teacher`, logits float32 [N, 10] each: float32 [N], zero where they agree.

    It is the Kullback-Leibler divergence of the softened probabilities, times the square of the temperature: so
    gradients keep their size whatever the temperature is (Hinton et al., section 2).
    """
    target, given = (keras.ops.log_softmax(logits / temperature, axis=-1) for logits in (teacher, student))
    return temperature**2 * keras.ops.sum(keras.ops.exp(target) * (target - given), axis=-1)
