"""What is to be learnt of an image: a probability for each digit."""

import numpy as np
import numpy.typing as npt

from service.contract import LABELS
from training.data.mnist import Bytes

NO_DIGIT = len(LABELS)  # the label of a picture that shows none; MNIST has no such

Targets = npt.NDArray[np.float32]

_TABLE = np.vstack([np.eye(len(LABELS)), np.full(len(LABELS), 1 / len(LABELS))]).astype(np.float32)


def targets(labels: Bytes) -> Targets:
    """Return the probabilities to learn, float32 [N, 10]: 1 for the label; where there is no digit, 0.1 for each."""
    found: Targets = _TABLE[labels]
    return found
