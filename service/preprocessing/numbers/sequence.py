"""What a piece of a line says from left to right: a small network that reads it column by column.

A convolutional network gives each column the probability of each digit, and of none. It is trained by connectionist
temporal classification (Graves et al. 2006) on MNIST's training digits in lines, by `benchmarks/numbers/train.py`: no
cut is needed to read digits that touch, and to know where they are.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from service.preprocessing.illumination import Floats

FILE = Path(__file__).with_name("sequence.onnx")
ROWS, HEIGHT, ROOM = 36, 24, 8  # pixels of a strip: its height; the line's height; paper on either side
STRIDE = 2  # pixels of a strip for each column that is read
NONE = 10  # index of no digit
_EDGE = 2  # pixels above and below the highest piece
_FAINT = 0.05  # probability: of less there is no digit
_TINY, _NEVER = 1e-12, -70.0  # probability, so that it has a logarithm; that of what cannot be


def strip(ink: Floats, height: float) -> tuple[Floats, float]:
    """Return the ink of a piece of a line of that height, float32 [ROWS, columns], and its scale."""
    scale = min(HEIGHT / height, (ROWS - _EDGE) / ink.shape[0])
    tall, wide = (max(1, round(side * scale)) for side in ink.shape)
    found = np.zeros((ROWS, wide + wide % STRIDE + 2 * ROOM), np.float32)
    top = (ROWS - tall) // 2
    found[top : top + tall, ROOM : ROOM + wide] = cv2.resize(ink, (wide, tall), interpolation=cv2.INTER_AREA)
    return found, scale


def read_strip(ink: Floats) -> Floats:
    """Return the probabilities of digits and of none in each column of a strip, float32 [columns, 11]."""
    [found] = _session().run(["probabilities"], {"ink": ink[np.newaxis, np.newaxis]})
    return np.asarray(found[0], np.float32)


def peaks(odds: Floats) -> npt.NDArray[np.intp]:
    """Return the columns in which there may be a digit, from left to right."""
    likely = np.zeros((len(odds) + 2, NONE), np.float32)
    likely[1:-1] = odds[:, :NONE]
    highest = (likely[1:-1] > _FAINT) & (likely[1:-1] >= likely[:-2]) & (likely[1:-1] > likely[2:])
    return np.flatnonzero(highest.any(axis=1))


def segment_odds(odds: Floats, sides: list[int]) -> Floats:
    """Return the log-probability that columns say exactly one digit, float32 [sides, sides, 10].

    `sides` are the columns at which parts begin and end, the first and the last column of all among them.
    """
    digits, none = np.log(odds[:, :NONE] + _TINY, dtype=np.float64), np.log(odds[:, NONE:] + _TINY, dtype=np.float64)
    silent, named = np.zeros((len(odds) + 1, 1)), np.zeros((len(odds) + 1, NONE))
    none.cumsum(axis=0, out=silent[1:])
    (digits - none).cumsum(axis=0, out=named[1:])
    found = np.full((len(sides), len(sides), NONE), _NEVER, np.float32)
    for index, start in enumerate(sides[:-1]):
        # The sum over all columns in which the digit may begin, and then over those in which it may end.
        begun = np.logaddexp.accumulate(-named[start:-1], axis=0)
        said = np.logaddexp.accumulate(begun + named[start + 1 :], axis=0)
        ends = np.array(sides[index + 1 :])
        found[index, index + 1 :] = said[ends - start - 1] + silent[ends] - silent[start]
    return found


@cache
def _session() -> ort.InferenceSession:
    """Open the network, in the process and at the time in which it is first needed: threads do not survive a fork."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(FILE.read_bytes(), options, providers=["CPUExecutionProvider"])
