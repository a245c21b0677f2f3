"""A digit in MNIST's form -> other looks at it, for a digit that is not certain at first."""

import cv2
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import CENTRE

LOOKS = 3

_MOST_SLANT = 0.8  # of a pixel across for each down
_SMALLER, _LARGER = 0.92, 1.08


def looks(digit: Grey) -> npt.NDArray[np.uint8]:
    """Return a digit, uint8 [28, 28], set upright, made smaller and made larger: uint8 [LOOKS, 28, 28].

    Each has its centre of mass in the middle, to a fraction of a pixel. The slant is the ratio of the second moments,
    as in LeCun et al. 1998, section III.A, "deslanting".
    """
    mass = cv2.moments(digit)
    if mass["m00"] == 0:
        return np.stack([digit] * LOOKS)
    slant = mass["mu11"] / mass["mu02"] if mass["mu02"] > 0 else 0.0
    middle = mass["m10"] / mass["m00"], mass["m01"] / mass["m00"]
    upright = np.array([[1, -min(max(slant, -_MOST_SLANT), _MOST_SLANT)], [0, 1]])
    return np.stack([_turned(digit, turn, middle) for turn in (upright, _SMALLER * np.eye(2), _LARGER * np.eye(2))])


def _turned(digit: Grey, turn: npt.NDArray[np.float64], middle: tuple[float, float]) -> Grey:
    shift = CENTRE - turn @ middle
    return np.asarray(cv2.warpAffine(digit, np.column_stack([turn, shift]), (IMAGE_SIDE, IMAGE_SIDE)), np.uint8)
