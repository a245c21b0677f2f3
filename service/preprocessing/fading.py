"""Strokes that fade, under a reflection or as a pen runs dry -> as dark as where they are whole."""

import cv2
import numpy as np

from service.preprocessing.illumination import Floats

_TRACE = 0.12  # of the ink's darkness
_WHOLE = 0.8  # of it: nothing has to be done
_STEEP, _NEAR = 0.2, 5  # a greater step between pixels so near each other ends a stroke: there something else begins
_FAINTEST = 0.25  # is not made more than so many times as dark


def without_fading(ink: Floats, width: float) -> Floats:
    """Return `ink`, float32 [height, width] from 0 to 1, with its strokes darkened to 1 as far as they fade gently.

    `width` is that of the strokes, in pixels. What is fainter than a stroke that it touches, a crease or a speck, is
    left as it is.
    """
    side = round(width) | 1
    level = np.asarray(cv2.dilate(ink, np.ones((side, side), np.uint8)), np.float32)
    traces = ink > _TRACE
    if level[traces].min() > _WHOLE:
        return ink
    steps = cv2.morphologyEx(level, cv2.MORPH_GRADIENT, np.ones((_NEAR, _NEAR), np.uint8))
    count, labels = cv2.connectedComponents((traces & (steps < _STEEP)).view(np.uint8))
    strokes = np.bincount(labels[level > _WHOLE], minlength=count) > 0
    strokes[0] = False
    return np.asarray(np.where(strokes[labels], np.minimum(ink / np.maximum(level, _FAINTEST), 1), ink), np.float32)
