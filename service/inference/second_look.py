"""Second looks: the answer to an uncertain picture is the mean over variants of it."""

import numpy as np

from service.inference.engine import Engine, Images, Probabilities
from service.preprocessing.looks import LOOKS, looks

_DOUBT = 0.25  # of the doubt of a barely certain answer: with less, the first look is enough


def sure_from(certain_from: float) -> float:
    """Return the confidence from which an answer needs no second look."""
    return 1 - _DOUBT * (1 - certain_from)


def read(engine: Engine, images: Images, certain_from: float, pictures: int | None = None) -> Probabilities:
    """Return the answers, float32 [N, 10], for `images`, uint8 [N, 28, 28], with second looks where they are needed.

    Only the first `pictures`, or all, may get one: the others are the model's own input.
    """
    probabilities = engine.run(images)
    if pictures != 0:
        first = probabilities[:pictures]
        probabilities[:pictures] = with_second_looks(engine, images[:pictures], first, certain_from)
    return probabilities


def with_second_looks(
    engine: Engine, images: Images, probabilities: Probabilities, certain_from: float
) -> Probabilities:
    """Return the answers for `images`, uint8 [N, 28, 28], of which `probabilities`, float32 [N, 10], are the first.

    Below `sure_from`, the answer is the mean of the first and those for other looks at the digit. Second looks share
    runs, which are no larger than the first.
    """
    unsure = np.flatnonzero(probabilities.max(axis=1) < sure_from(certain_from))
    if unsure.size == 0:
        return probabilities
    again = np.concatenate([looks(images[place]) for place in unsure])
    most = max(len(images), LOOKS)
    second = np.concatenate([engine.run(again[start : start + most]) for start in range(0, len(again), most)])
    answers = probabilities.copy()
    answers[unsure] += second.reshape(len(unsure), LOOKS, -1).sum(axis=1)
    answers[unsure] /= 1 + LOOKS
    return answers
