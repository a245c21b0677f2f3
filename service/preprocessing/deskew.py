"""A second look at a digit: upright, where it was written with a slant."""

import cv2
import numpy as np

from service.contract import IMAGE_SIDE
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import CENTRE, centre, fit

_LEAST, _MOST = 0.1, 0.8  # of a pixel across for each down: less is no slant; more is no slant of a hand


def deskewed(digit: Grey) -> Grey | None:
    """Return a digit in MNIST's form, uint8 [28, 28], with its axis upright; None where it has no slant worth it.

    The slant is the ratio of the second moments, as in LeCun et al. 1998, section III.A, "deslanting".
    """
    moments = cv2.moments(digit)
    slant = moments["mu11"] / moments["mu02"] if moments["mu02"] > 0 else 0.0
    if not _LEAST < abs(slant) < _MOST:
        return None
    shear = np.array([[1, -slant, slant * CENTRE], [0, 1, 0]], np.float32)
    upright = cv2.warpAffine(digit, shear, (IMAGE_SIDE, IMAGE_SIDE), flags=cv2.INTER_LINEAR)
    left, top, width, height = cv2.boundingRect(upright)
    if width == 0:
        return None
    ink = upright[top : top + height, left : left + width] / np.float32(255)
    return centre(fit(np.asarray(ink, np.float32)))
