"""Cuts through pieces that may hold several digits: paths that cross as little ink as possible.

A path goes from above a piece to below it, a pixel down and at most one aside at a time, as a seam does (Avidan and
Shamir 2007, "Seam carving"). So it follows the gap between digits that lean over each other, and crosses strokes where
they touch. Where two strokes meet, the outline has a corner on either side; ink between two such corners costs little.
There are more paths than digits; the score of the parts decides which ones separate digits.
"""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Floats, Labels
from service.preprocessing.mnist_format import stroke_width
from service.preprocessing.numbers.pieces import Piece

_HALF = 20
_ROWS = 2 * _HALF + 1  # of a piece when paths are looked for
_WALL = 50.0  # of ink between pieces: no path leaves its piece
_STEP = 0.03  # of a full pixel of ink: what a step costs
_ASIDE = 0.1, 0.5  # what one aside costs more: of winding paths, and of straighter ones
_APART = 2  # columns between two paths
_DENSE = 5  # columns: a wide piece has a path in every so many
_SAME = 1.5  # columns, the mean distance of two paths that are the same
_MOST_INK = 3.5, 6.0  # stroke widths that a path may cross: of a piece as wide as a digit; of a wider one
_WIDE = 1.1  # times its height: more than one digit
_PER_WIDTH = 3, 5  # paths of a kind for each height of a piece's width, if it is as wide as a digit; if wider
_MARGIN = 0.06  # of its height: so near to a piece's sides there is no path
_CORNER = 0.6  # of a disc around a pixel of paper that is ink: a corner of the outline
_CONTACT = 3.5  # stroke widths between two corners
_BETWEEN = np.linspace(0.1, 0.9, 9)  # of the way between two corners: where there has to be ink
_CHEAP = 0.2  # of its cost: the ink between two corners

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
    wall = np.zeros((_ROWS, 1), np.float32)
    ink = np.concatenate([wall, *(part for strip in strips for part in (strip, wall))], axis=1)
    pen = stroke_width(ink)
    walls = np.cumsum([0, *(strip.shape[1] + 1 for strip in strips)])
    cost = _cost(ink, pen)
    cost[:, walls] = _WALL
    through, steps = _swept(cost)
    found: dict[int, list[Cut]] = {}
    for piece, strip, wall_before in zip(pieces, strips, walls.tolist(), strict=False):
        width, first = strip.shape[1], wall_before + 1
        paths = []
        for kind in range(len(_ASIDE)):
            columns = _columns(through[kind, first : first + width], pen) + first
            crossed = (through[kind, columns] / pen).tolist()
            paths += list(zip(_traced(columns, steps[:, kind]) - first, crossed, strict=True))
        found[piece.label] = _in_pixels(piece, _distinct(paths), width)
    return found, pen * float(np.median([piece.box.height for piece in pieces])) / _ROWS


def _strip(piece: Piece, labels: Labels, amount: Floats) -> Floats:
    """Return the ink of a piece, scaled to `_ROWS` rows."""
    part = piece.box.slices(0)
    own = np.where(labels[part] == piece.label, amount[part], 0).astype(np.float32)
    width = max(3, round(piece.box.width * _ROWS / piece.box.height))
    return np.asarray(cv2.resize(own, (width, _ROWS), interpolation=cv2.INTER_AREA), np.float32)


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
    near = 2 * max(1, round(pen / 2)) + 1
    highest = cv2.dilate(density, np.ones((near, near), np.uint8))
    rows, columns = np.nonzero((density >= _CORNER) & (density >= highest))
    return rows, columns


def _swept(cost: Floats) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return the cost of the cheapest paths through each column of the middle row, and their steps.

    The cost is float32 [kinds, columns]; the steps are int8 [_HALF, kinds, 2, columns]: -1, 0 or 1 column aside on the
    way from the middle up and down, the last first.
    """
    halves = np.stack([cost[:_HALF], cost[:_HALF:-1]], axis=1)
    kinds, width = len(_ASIDE), cost.shape[1]
    aside = np.array(_ASIDE, np.float32)[:, None, None]
    steps = np.zeros((_HALF, kinds, 2, width), np.int8)
    options = np.full((3, kinds, 2, width), np.inf, np.float32)
    cheapest = np.zeros((kinds, 2, width), np.float32)
    for ink, step in zip(halves, steps, strict=True):
        options[1] = cheapest + ink + np.float32(_STEP)
        options[0, ..., 1:] = options[1, ..., :-1] + aside
        options[2, ..., :-1] = options[1, ..., 1:] + aside
        step[:] = options.argmin(axis=0) - 1
        cheapest = options.min(axis=0)
    return cost[_HALF] + cheapest.sum(axis=1), steps


def _columns(cost: Floats, pen: float) -> npt.NDArray[np.intp]:
    """Return the columns where the cheapest paths cross the middle row, from left to right."""
    width = len(cost)
    wide = width > _WIDE * _ROWS
    margin = round(_MARGIN * _ROWS)
    inner = np.arange(margin, width - margin)
    inner = inner[cost[inner] <= _MOST_INK[wide] * pen]
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


def _traced(columns: npt.NDArray[np.intp], steps: npt.NDArray[np.int8]) -> Paths:
    """Return the paths through columns of the middle row."""
    paths = np.empty((len(columns), _ROWS), np.intp)
    paths[:, _HALF] = above = below = columns
    for row in range(_HALF - 1, -1, -1):
        paths[:, row] = above = above + steps[row, 0, above]
        paths[:, -1 - row] = below = below + steps[row, 1, below]
    return paths


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
