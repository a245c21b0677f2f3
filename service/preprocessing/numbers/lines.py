"""Pieces -> lines of writing, top to bottom, each from left to right."""

from typing import NamedTuple

import numpy as np

from service.preprocessing.numbers.pieces import Piece

_FIGURE = 0.45, 2.0  # of the writing's height: figures, which make lines
_NEXT = 3.0  # heights: so far away is the next figure of a line at most
_STEEPEST = 0.5  # of their distance: how much lower or higher it may stand
_SHARED = 0.4  # of the lower one's height: of one line
_ABOVE, _BELOW = 0.35, 0.5  # heights: so far from a line is what belongs to it


class Line(NamedTuple):
    """The pieces of a line from left to right, and the height of its figures in pixels."""

    pieces: list[Piece]
    height: float


def find_lines(pieces: list[Piece], height: float) -> list[Line]:
    """Group pieces into lines; `height` is that of the writing in pixels."""
    low, high = _FIGURE[0] * height, _FIGURE[1] * height
    figures = [piece for piece in pieces if low <= piece.box.height <= high]
    slope = _slope(figures, height)
    rows: list[list[Piece]] = []
    for piece in sorted(figures, key=lambda piece: _middle(piece, slope)):
        row = next((row for row in rows if _shares(piece, row, slope)), [])
        if not row:
            rows.append(row)
        row.append(piece)
    rows.sort(key=lambda row: float(np.median([_middle(piece, slope) for piece in row])))
    heights = [float(np.median([piece.box.height for piece in row])) for row in rows]
    bounds = [_bounds(row, slope) for row in rows]
    for piece in pieces:
        if low <= piece.box.height <= high:
            continue
        middle = _middle(piece, slope)
        for row, (top, bottom), tall in zip(rows, bounds, heights, strict=True):
            if top - _ABOVE * tall <= middle <= bottom + _BELOW * tall:
                row.append(piece)
                break
    return [
        Line(sorted(row, key=lambda piece: piece.box.left + piece.box.width / 2), tall)
        for row, tall in zip(rows, heights, strict=True)
    ]


def _slope(figures: list[Piece], height: float) -> float:
    """Return the slope of a line, in pixels down for each pixel to the right."""
    ordered = sorted(figures, key=lambda piece: piece.box.left)
    steps = []
    for index, piece in enumerate(ordered):
        x, y = _centre(piece)
        for other in ordered[index + 1 :]:
            across, down = _centre(other)[0] - x, _centre(other)[1] - y
            if 0 < across < _NEXT * height and abs(down) < _STEEPEST * max(across, height):
                steps.append((across, down))
                break
    if len(steps) < 2:
        return 0.0
    across, down = np.array(steps).T
    return float(np.clip(np.median(down / np.maximum(across, 0.5 * height)), -0.5, 0.5))


def _centre(piece: Piece) -> tuple[float, float]:
    return piece.box.left + piece.box.width / 2, piece.box.top + piece.box.height / 2


def _middle(piece: Piece, slope: float) -> float:
    x, y = _centre(piece)
    return y - slope * x


def _bounds(row: list[Piece], slope: float) -> tuple[float, float]:
    middles, halves = np.array([(_middle(piece, slope), piece.box.height / 2) for piece in row]).T
    return float(np.median(middles - halves)), float(np.median(middles + halves))


def _shares(piece: Piece, row: list[Piece], slope: float) -> bool:
    top, bottom = _bounds(row, slope)
    middle, half = _middle(piece, slope), piece.box.height / 2
    shared = min(bottom, middle + half) - max(top, middle - half)
    return shared > _SHARED * min(piece.box.height, bottom - top)
