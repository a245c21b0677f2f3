"""How likely the parts of a line are to be whole digits, judged in their place.

To a model of digits half a 0 is a 1, and two digits may be an 8. What is around a part tells them apart: the stroke
that goes on, the other half. A small convolutional network (LeCun et al. 1998) sees that; it is trained on numbers of
MNIST's training digits by `benchmarks/numbers/train.py`.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np

from service.preprocessing.illumination import Floats

HEIGHT = 16  # pixels of a view: the line's height
VIEW = 20, 28  # rows and columns of a view, with the part in its middle
#: Inputs and units of each layer: two of kernels (pixels and channels), a hidden one, ten digits and none.
LAYERS = (50, 8), (72, 24), (360, 32), (32, 11)
FILE = Path(__file__).with_name("whole.bin")  # float16: the weights of each layer, and its bias
_SIDES = 5, 3  # pixels of the kernels, which move by _STRIDE
_STRIDE = 2


def whole(views: Floats) -> Floats:
    """Return the log-probability that each part is each digit, and whole: float32 [parts, 10].

    `views` is float32 [parts, 2, rows, columns]: its ink, and the ink around it.
    """
    if not len(views):
        return np.zeros((0, 10), np.float32)
    values = views.transpose(0, 2, 3, 1)
    *kernels, hidden, output = _weights()
    for side, weights in zip(_SIDES, kernels, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(values, (side, side), (1, 2))[:, ::_STRIDE, ::_STRIDE]
        ink = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, len(weights) - 1)
        values = np.maximum(_times(ink, weights), 0).reshape(*windows.shape[:3], -1)
    odds = _times(np.maximum(_times(values.reshape(len(views), -1), hidden), 0), output)
    odds -= odds.max(axis=1, keepdims=True)
    return np.asarray((odds - np.log(np.exp(odds).sum(axis=1, keepdims=True)))[:, :10], np.float32)


def _times(values: Floats, weights: Floats) -> Floats:
    """Multiply by weights and add a bias, their last row; without BLAS, whose buffers take memory."""
    bias = np.tile(weights[-1], (len(values), 1))
    return np.asarray(cv2.gemm(np.ascontiguousarray(values), weights[:-1], 1, bias, 1), np.float32)


@cache
def _weights() -> list[Floats]:
    """Return the weights of each layer and its bias, [inputs + 1, units]."""
    stored = np.fromfile(FILE, np.float16).astype(np.float32)
    ends = np.cumsum([(inputs + 1) * units for inputs, units in LAYERS])
    return [part.reshape(-1, units) for part, (_, units) in zip(np.split(stored, ends), LAYERS, strict=False)]
