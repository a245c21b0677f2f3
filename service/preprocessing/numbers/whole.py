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
    (*kernels, hidden, output) = _weights()
    values = views.transpose(0, 2, 3, 1)
    for side, (weights, bias) in zip(_SIDES, kernels, strict=True):
        values = np.maximum(_convolved(values, weights, bias, side), 0)
    values = np.maximum(_times(values.reshape(len(views), -1), *hidden), 0)
    odds = _times(values, *output)
    odds -= odds.max(axis=1, keepdims=True)
    return np.asarray((odds - np.log(np.exp(odds).sum(axis=1, keepdims=True)))[:, :10], np.float32)


def _convolved(values: Floats, weights: Floats, bias: Floats, side: int) -> Floats:
    """Return what kernels, [side * side * channels, kernels], find in `values`, [parts, rows, columns, channels]."""
    windows = np.lib.stride_tricks.sliding_window_view(values, (side, side), (1, 2))[:, ::_STRIDE, ::_STRIDE]
    found = _times(windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, len(weights)), weights, bias)
    return found.reshape(*windows.shape[:3], -1)


def _times(values: Floats, weights: Floats, bias: Floats) -> Floats:
    """Multiply two matrices and add a bias, without BLAS, whose buffers take memory."""
    return np.asarray(
        cv2.gemm(np.ascontiguousarray(values), weights, 1, np.tile(bias, (len(values), 1)), 1), np.float32
    )


@cache
def _weights() -> tuple[tuple[Floats, Floats], ...]:
    """Return the weights, [inputs, units], and the bias of each layer."""
    stored, found = np.fromfile(FILE, np.float16).astype(np.float32), []
    for inputs, units in LAYERS:
        own, stored = stored[: (inputs + 1) * units].reshape(inputs + 1, units), stored[(inputs + 1) * units :]
        found.append((np.ascontiguousarray(own[:-1]), own[-1]))
    return tuple(found)
