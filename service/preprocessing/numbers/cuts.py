"""Cuts through pieces that may hold several digits: paths that cross as little ink as possible.

A path goes from above a piece to below it, a pixel down and at most one aside at a time, as a seam does (Avidan and
Shamir 2007, "Seam carving"). So it follows the gap between digits that lean over each other, and crosses strokes where
they touch. There are more paths than digits; the model decides which ones separate digits.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Floats, Labels
from service.preprocessing.mnist_format import stroke_width
from service.preprocessing.numbers.pieces import Piece

_ROWS = 32  # of a piece when paths are looked for
_WALL = 50.0  # of ink between pieces: no path leaves its piece
_STEP = 0.03  # of a full pixel of ink: what a step costs
_ASIDE = 0.1, 0.5  # what one aside costs more: of winding paths, and of straighter ones
_APART = 2  # columns between two paths
_DENSE = 4  # columns: a wide piece has a path in every so many
_SAME = 1.5  # columns, the mean distance of two paths that are the same
_MOST_INK = 2.2, 6.0  # stroke widths that a path may cross: of a piece as wide as a digit; of a wider one
_WIDE = 1.1  # times its height: more than one digit
_PER_WIDTH = 2, 5  # paths of a kind for each height of a piece's width, if it is as wide as a digit; if wider
_MARGIN = 0.1  # of its height: so near to a piece's sides there is no path

Paths = npt.NDArray[np.intp]  # [paths, _ROWS] columns


class Cut(NamedTuple):
    """A path through a piece: its column in each row of the piece, in pixels from its left, and the ink it crosses.

    The ink is in stroke widths.
    """

    columns: npt.NDArray[np.float64]
    crossed: float


def find_cuts(pieces: list[Piece], labels: Labels, amount: Floats) -> tuple[dict[int, list[Cut]], float]:
    """Return the cuts of each piece by its label, from left to right, and the stroke width in pixels."""
    strips = [_strip(piece, labels, amount) for piece in pieces]
    if not strips:
        return {}, 1.0
    wall = np.full((_ROWS, 1), _WALL, np.float32)
    cost = np.concatenate([wall, *(part for strip in strips for part in (strip, wall))], axis=1)
    pen = stroke_width(np.where(cost < _WALL, cost, 0).astype(np.float32))
    swept = [_costs(cost, aside) for aside in _ASIDE]
    found: dict[int, list[Cut]] = {}
    first = 1
    for piece, strip in zip(pieces, strips, strict=True):
        width = strip.shape[1]
        paths = []
        for through, up, down in swept:
            columns = _columns(through[first : first + width], pen) + first
            paths += [
                (path - first, float(through[column]) / pen)
                for path, column in zip(_traced(columns, up, down), columns.tolist(), strict=True)
            ]
        found[piece.label] = _in_pixels(piece, _distinct(paths), width)
        first += width + 1
    return found, pen * float(np.median([piece.box.height for piece in pieces])) / _ROWS


def _distinct(paths: list[tuple[npt.NDArray[np.intp], float]]) -> list[tuple[npt.NDArray[np.intp], float]]:
    """Return paths from left to right; of nearly equal ones the cheapest."""
    kept: list[tuple[npt.NDArray[np.intp], float]] = []
    for path, crossed in sorted(paths, key=lambda found: found[1]):
        if all(np.abs(path - other).mean() >= _SAME for other, _ in kept):
            kept.append((path, crossed))
    return sorted(kept, key=lambda found: float(found[0].mean()))


def _in_pixels(piece: Piece, paths: list[tuple[npt.NDArray[np.intp], float]], width: int) -> list[Cut]:
    rows = np.minimum(np.arange(piece.box.height) * _ROWS // piece.box.height, _ROWS - 1)
    scale = piece.box.width / width
    return [Cut(np.asarray((path[rows] + 0.5) * scale, np.float64), crossed) for path, crossed in paths]


def _strip(piece: Piece, labels: Labels, amount: Floats) -> Floats:
    """Return the ink of a piece, scaled to `_ROWS` rows."""
    part = piece.box.slices(0)
    own = np.where(labels[part] == piece.label, amount[part], 0).astype(np.float32)
    width = max(3, round(piece.box.width * _ROWS / piece.box.height))
    return np.asarray(cv2.resize(own, (width, _ROWS), interpolation=cv2.INTER_AREA), np.float32)


def _costs(ink: Floats, aside: float) -> tuple[Floats, npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return the cost of the cheapest path through each column of the middle row, and its steps up and down.

    The steps are int8 [rows, columns]: -1, 0 or 1 column aside on the way to the edge.
    """
    middle = _ROWS // 2
    up, down = np.zeros((2, *ink.shape), np.int8)
    above = _swept(ink[:middle], up[1 : middle + 1], aside)
    below = _swept(ink[:middle:-1], down[middle : _ROWS - 1][::-1], aside)
    return ink[middle] + above + below, up, down


def _swept(rows: Floats, steps: npt.NDArray[np.int8], aside: float) -> Floats:
    """Return the cost of the cheapest path from the first row to below the last, and note its steps."""
    cost = np.zeros(rows.shape[1], np.float32)
    options = np.full((3, rows.shape[1]), np.inf, np.float32)
    for ink, step in zip(rows, steps, strict=True):
        cost = cost + ink + np.float32(_STEP)
        options[0] = cost
        options[1, 1:] = cost[:-1] + np.float32(aside)
        options[2, :-1] = cost[1:] + np.float32(aside)
        best = options.argmin(axis=0)
        cost = options.min(axis=0)
        step[:] = np.where(best == 2, 1, -(best == 1).astype(np.int8))
    return cost


def _columns(cost: Floats, pen: float) -> npt.NDArray[np.intp]:
    """Return the columns where the cheapest paths cross the middle row, from left to right."""
    width = len(cost)
    wide = width > _WIDE * _ROWS
    most = _MOST_INK[wide] * pen
    margin = round(_MARGIN * _ROWS)
    inner = np.arange(margin, width - margin)
    inner = inner[cost[inner] <= most]
    around = cv2.erode(cost.reshape(1, -1), np.ones((1, 2 * _APART + 1), np.uint8)).ravel()
    least = inner[cost[inner] <= around[inner]]
    chosen = _apart(least[np.argsort(cost[least], kind="stable")].tolist(), [], _APART)
    chosen = chosen[: -(-_PER_WIDTH[wide] * width // _ROWS)]
    if wide:
        chosen = _apart(inner[np.argsort(cost[inner], kind="stable")].tolist(), chosen, _DENSE)
    return np.sort(np.array(chosen, np.intp))


def _apart(columns: list[int], chosen: list[int], distance: int) -> list[int]:
    """Return the columns in order of preference, without those too close to an earlier one."""
    chosen = list(chosen)
    for column in columns:
        if all(abs(column - other) >= distance for other in chosen):
            chosen.append(column)
    return chosen


def _traced(columns: npt.NDArray[np.intp], up: npt.NDArray[np.int8], down: npt.NDArray[np.int8]) -> Paths:
    """Return the paths through columns of the middle row."""
    middle = _ROWS // 2
    paths = np.empty((len(columns), _ROWS), np.intp)
    paths[:, middle] = columns
    for row in range(middle, 0, -1):
        paths[:, row - 1] = paths[:, row] + up[row, paths[:, row]]
    for row in range(middle, _ROWS - 1):
        paths[:, row + 1] = paths[:, row] + down[row, paths[:, row]]
    return paths
