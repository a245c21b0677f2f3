"""Strokes that fade, under a reflection or as a pen runs dry -> as dark as where they are whole."""

import cv2
import numpy as np

from service.preprocessing.illumination import Floats, morphed

_TRACE = 0.12  # of the ink's darkness
_WHOLE, _FAINTEST = 204, 64  # of 255: with that much nothing has to be done; what has less is made four times as dark
_STEEP, _NEAR = 51, 5  # of 255: a greater step between pixels so near each other ends a stroke


def without_fading(ink: Floats, width: float) -> Floats:
    """Return `ink`, float32 [height, width] from 0 to 1, with its strokes darkened to 1 as far as they fade gently.

    `width` is that of the strokes, in pixels. What is fainter than a stroke that it touches, a crease or a speck, is
    left as it is.
    """
    level = morphed(np.asarray(cv2.convertScaleAbs(ink, alpha=255), np.uint8), cv2.MORPH_DILATE, round(width) | 1)
    traces, whole = ink > _TRACE, level > _WHOLE
    if not (traces > whole).any():
        return ink
    steps = morphed(level, cv2.MORPH_GRADIENT, _NEAR)
    count, labels = cv2.connectedComponents((traces & (steps < _STEEP)).view(np.uint8))
    factors = np.where(np.bincount(labels[whole], minlength=count) > 0, np.float32(255), 0)
    factors[0] = 0
    darkened = ink * factors.take(np.asarray(labels)) / np.maximum(level, np.float32(_FAINTEST))
    return np.minimum(np.maximum(darkened, ink), np.float32(1))
