"""Training targets: a probability for each digit."""

import numpy as np
import numpy.typing as npt

from service.contract import LABELS
from training.data.mnist import Bytes

NO_DIGIT = len(LABELS)  # label of a picture without a digit; MNIST has none

Targets = npt.NDArray[np.float32]

_DOUBT = 0.6  # share of a uniform target in that of a letter like a digit
_SURE, _LEVEL = np.eye(len(LABELS)), np.full((len(LABELS), len(LABELS)), 1 / len(LABELS))
_TABLE = np.vstack([_SURE, _LEVEL[:1], _DOUBT * _LEVEL + (1 - _DOUBT) * _SURE]).astype(np.float32)


def like(digit: int) -> int:
    """Return the label of a letter that looks like `digit` but that people tell from it."""
    return NO_DIGIT + 1 + digit


def targets(labels: Bytes) -> Targets:
    """Return the probabilities to learn, float32 [N, 10].

    One-hot for a digit; 0.1 each where there is no digit; for a letter `like` a digit 0.46 for that digit and 0.06 for
    each other.
    """
    found: Targets = _TABLE[labels]
    return found
