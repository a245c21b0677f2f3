"""Cuts through pieces of several digits: between two digits, the path that crosses as little ink as possible.

A path goes from above a piece to below it, a pixel down and at most one aside at a time, as a seam does (Avidan and
Shamir 2007, "Seam carving"). So it follows the gap between digits that lean over each other, and crosses strokes where
they touch. Where two strokes meet, the outline has a corner on either side; ink between two such corners costs little.
The digits are found first, by `sequence`; a path stays between two of them.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Floats, morphed
from service.preprocessing.mnist_format import stroke_width
from service.preprocessing.numbers.sequence import ROOM, ROWS, STRIDE, peaks, read_strip, segment_odds, strip

_CORNER = 0.6  # of a disc around a pixel of paper that is ink: a corner of the outline
_CONTACT = 3.5  # stroke widths between two corners
_BETWEEN = np.linspace(0.1, 0.9, 9)  # of the way between two corners: where there has to be ink
_CHEAP = 0.2  # of its cost: the ink between two corners
_WIDER = 1.1, 1.2  # times: widths at which several digits are read again
_LATE = 2  # pixels of a strip: so far right of its middle the network names a digit
_ASIDE = 0.2  # of a full pixel of ink: what a step aside costs
_AWAY = 0.7, 4.0  # what a pixel costs that is as far from the middle as the digits; at most, times that


class Cuts(NamedTuple):
    """The paths through a piece from left to right, and what is between any two.

    `columns` is float64 [paths, rows], in pixels from its left; `odds` float32 [sides, sides, 10] the log-probability
    that exactly one digit is between two sides, which are its left, the paths, and its right.
    """

    columns: npt.NDArray[np.float64]
    odds: Floats


def find_cuts(ink: Floats, height: float) -> Cuts:
    """Return the cuts of a piece, float32 [rows, columns], of a line of that height."""
    seen, scale = strip(ink, height)
    odds = read_strip(seen)
    at = peaks(odds)
    sides = [0, *((at[1:] + at[:-1] + 1) // 2).tolist(), len(odds)]
    paths = _paths(seen, at * STRIDE + 1 - _LATE) if len(at) > 1 else np.zeros((0, ROWS), np.intp)
    top = (ROWS - round(ink.shape[0] * scale)) // 2
    rows = np.minimum(top + ((np.arange(ink.shape[0]) + 0.5) * scale).astype(int), ROWS - 1)
    columns = np.asarray((paths[:, rows] + 0.5 - ROOM) / scale, np.float64)
    found = [segment_odds(odds, sides)]
    if len(at) > 1:
        found += [_wider(seen, sides, width) for width in _WIDER]
    return Cuts(columns, np.mean(found, axis=0, dtype=np.float32))


def _wider(ink: Floats, sides: list[int], times: float) -> Floats:
    """Return what `segment_odds` says of a strip made so many times wider; `sides` are those of the strip as it is."""
    size = STRIDE * round(times * ink.shape[1] / STRIDE), ROWS
    odds = read_strip(np.asarray(cv2.resize(ink, size), np.float32))
    return segment_odds(odds, [round(side * len(odds) / sides[-1]) for side in sides])


def _cost(ink: Floats, pen: float) -> Floats:
    """Return what each pixel costs: its ink, or little of it between two corners at which strokes meet."""
    rows, columns = _corners(ink, pen)
    down, across = rows - rows[:, None], columns - columns[:, None]
    first, last = np.nonzero((down > 0) & (abs(across) <= down + 1) & (np.hypot(down, across) <= _CONTACT * pen))
    y = rows[first, None] + _BETWEEN * down[first, last][:, None]
    x = columns[first, None] + _BETWEEN * across[first, last][:, None]
    y, x = np.rint(y).astype(int), np.rint(x).astype(int)
    met = ink[y, x].mean(axis=1) > 0.75
    cost = ink.copy()
    cost[y[met], x[met]] *= _CHEAP
    return cost


def _corners(ink: Floats, pen: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows and columns of paper with most ink around it: the corners in which strokes meet."""
    side = 2 * max(2, round(pen)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.float32)
    density = cv2.filter2D(ink, -1, disc / disc.sum(), borderType=cv2.BORDER_CONSTANT)
    density[ink >= 0.5] = 0
    highest = morphed(np.asarray(density, np.float32), cv2.MORPH_DILATE, 2 * max(1, round(pen / 2)) + 1)
    rows, columns = np.nonzero((density >= _CORNER) & (density >= highest))
    return rows, columns


def _paths(ink: Floats, digits: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the cheapest paths between digits in these columns of a strip, intp [digits - 1, rows]."""
    middles, reach = (digits[1:] + digits[:-1]) / 2, np.diff(digits) / 2
    columns = np.arange(ink.shape[1])
    away = _AWAY[0] * np.minimum(((columns - middles[:, None]) / reach[:, None]) ** 2, _AWAY[1])
    cost = (_cost(ink, stroke_width(ink))[:, None] + away).astype(np.float32)  # [rows, paths, columns]
    steps = np.zeros(cost.shape, np.int8)
    options = np.full((3, *away.shape), np.inf, np.float32)
    cheapest = np.zeros(away.shape, np.float32)
    for row, step in zip(cost, steps, strict=True):
        options[1] = cheapest + row
        options[0, :, 1:] = options[1, :, :-1] + _ASIDE
        options[2, :, :-1] = options[1, :, 1:] + _ASIDE
        step[:] = options.argmin(axis=0) - 1
        cheapest = options.min(axis=0)
    path, paths = cheapest.argmin(axis=1), np.arange(len(middles))
    found = np.empty((len(middles), len(ink)), np.intp)
    for row in range(len(ink) - 1, -1, -1):
        found[:, row] = path = path + steps[row, paths, path]
    return found
