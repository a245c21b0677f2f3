"""Folds of the paper: faint straight lines, in any direction, that go from its edge to its edge."""

from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Mask, morphed

Point = npt.NDArray[np.float64]  # column, row

_REACH = 11  # pixels, odd: half as near to the edge ends a fold that runs towards it
_MOST_ENDS = 16  # of lines at the paper's edge: with more it is a texture
_BESIDE = 0.03  # of the picture's longer side: so far from its middle a fold is seen
_INKED = 0.9  # of the line between two ends: then it is a fold
_CRUMBS = 0.45  # of a figure is no fold: with less it is nothing but folds


def only_folds(strokes: Mask, rim: Mask) -> bool:
    """Tell whether `strokes` are nothing but straight lines between points at which the paper ends.

    `rim` are the pixels at which it does. It cannot be told from a digit of straight strokes that was cut out along
    their ends; only what is too faint for a pen should be asked about.
    """
    ends = _ends(strokes, rim)
    if len(ends) > _MOST_ENDS:
        return False
    folds = np.zeros_like(strokes)
    broad = morphed(strokes, cv2.MORPH_DILATE, 5)
    for start, end in combinations(ends, 2):
        if _is_line(broad, start, end):
            first, last = (np.rint(point).astype(int).tolist() for point in (start, end))
            cv2.line(folds, first, last, 1, 2 * int(_BESIDE * max(strokes.shape)) + 3)
    return cv2.countNonZero(strokes & (1 - folds)) < _CRUMBS * cv2.countNonZero(strokes)


def _ends(strokes: Mask, rim: Mask) -> list[Point]:
    """Return where strokes end at the edge of the paper."""
    edge = morphed(rim, cv2.MORPH_DILATE, _REACH) * morphed(1 - rim, cv2.MORPH_DILATE, 3)
    count, _, _, middles = cv2.connectedComponentsWithStats(strokes * edge)
    return list(middles[1:count])


def _is_line(strokes: Mask, start: Point, end: Point) -> bool:
    length = int(np.hypot(*(end - start)))
    if length == 0:  # one lies around the other
        return False
    columns, rows = np.rint(start + np.linspace(0, 1, length)[:, None] * (end - start)).astype(int).T
    return float(strokes[rows, columns].mean()) > _INKED
