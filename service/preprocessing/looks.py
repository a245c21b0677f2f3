"""A digit in MNIST's form -> other looks at it, for a digit that is not certain at first."""

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import CENTRE

_SIZES = 0.92, 1.08  # of the digit
LOOKS = len(_SIZES)


def looks(digit: Grey) -> npt.NDArray[np.uint8]:
    """Return a digit, uint8 [28, 28], made smaller and made larger: uint8 [LOOKS, 28, 28].

    Each has its centre of mass in the middle, to a fraction of a pixel.
    """
    mass = cv2.moments(digit)
    if mass["m00"] == 0:
        return np.stack([digit] * LOOKS)
    x, y = mass["m10"] / mass["m00"], mass["m01"] / mass["m00"]
    resized = [np.array([[size, 0, CENTRE - size * x], [0, size, CENTRE - size * y]]) for size in _SIZES]
    return np.stack([np.asarray(cv2.warpAffine(digit, each, digit.shape), np.uint8) for each in resized])
