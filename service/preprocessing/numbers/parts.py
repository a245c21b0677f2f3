"""Pieces of a line and the cuts through them -> its parts that may be digits, each seen in its place.

All is looked at on a small copy of the line. Places along a line are numbered from left to right: both sides of each
piece, and each cut. A part lies between two places.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats
from service.preprocessing.numbers.cuts import Cut
from service.preprocessing.numbers.pieces import Piece

HEIGHT = 16  # pixels of the small copy: the line's height
VIEW = 20, 28  # pixels of the small copy that are seen with a part in their middle

_LOWEST, _HIGHEST = 0.42, 2.0  # of the line's height: a digit
_NARROWEST, _WIDEST, _WIDEST_PIECE = 0.06, 1.35, 1.7  # of the line's height: parts; a piece that is not cut
_MOST_PIECES = 4  # of one digit
_NEAR, _NEAR_FIGURES = 0.28, 0.06  # of the line's height: between parts of one digit, and where both are as high
_AS_HIGH = 0.72  # of the line's height
_LEAST = 0.16  # of a piece's ink, for each of the digits that it is as wide as: a part of it that is a digit
_FURTHEST = 1.6  # of the line's height, between the middles of two cuts
_INKED = 0.3  # of full ink


class Span(NamedTuple):
    """A piece of a line, its cuts, and the places before and behind it."""

    piece: Piece
    first: int
    end: int
    cuts: Sequence[Cut] = ()


class Part(NamedTuple):
    """What may be a digit: what lies between two places of the `pieces` of a line, by their index.

    `row` and `column` are the small copy's pixel with which its view begins.
    """

    first: int
    end: int
    pieces: range
    row: int
    column: int


class Strip:
    """The small copy of a line, and its parts that may be digits.

    `ink` is float32 [rows, columns], with paper around it; `views`, float32 [parts, 2, *VIEW], the ink of each part and
    what is around it.
    """

    def __init__(self, spans: list[Span], inks: list[Floats], height: float) -> None:
        """Take a line's pieces, the ink of each, float32 in its bounds, and the line's height in pixels."""
        self._spans, self._scale, self._height = spans, HEIGHT / height, height
        self.bounds = reduce(Box.around, (span.piece.box for span in spans))
        self._inks = [self.small(ink) for ink in inks]
        self._corners = [self.place(span.piece.box.left, span.piece.box.top) for span in spans]
        row, column = self.place(self.bounds.right, self.bounds.bottom)
        self.ink = np.zeros((row + 1 + VIEW[0], column + 1 + VIEW[1]), np.float32)
        for ink, corner in zip(self._inks, self._corners, strict=True):
            add(self.ink, ink, *corner)
        self.parts: list[Part] = []
        self._views: list[Floats] = []
        for index in range(len(spans)):
            self._cut(index)
            self._join(index)

    @property
    def views(self) -> Floats:
        """The views of all parts."""
        return np.stack(self._views) if self._views else np.zeros((0, 2, *VIEW), np.float32)

    def small(self, ink: Floats) -> Floats:
        """Return ink at the scale of the small copy."""
        size = tuple(max(1, round(side * self._scale)) for side in ink.shape[::-1])
        return np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.float32)

    def place(self, x: float, y: float) -> tuple[int, int]:
        """Return the row and column of a point of the picture on the small copy."""
        row, column = (y - self.bounds.top) * self._scale, (x - self.bounds.left) * self._scale
        return round(row) + VIEW[0], round(column) + VIEW[1]

    @staticmethod
    def seen(copy: Floats, part: Part) -> Floats:
        """Return what a part's view shows of a copy like `ink`."""
        return copy[part.row : part.row + VIEW[0], part.column : part.column + VIEW[1]]

    def _join(self, index: int) -> None:
        """Keep the parts made of whole pieces, of which the first is given."""
        own = np.zeros_like(self.ink)
        for last in range(index, min(index + _MOST_PIECES, len(self._spans))):
            if last > index and not _near([span.piece.box for span in self._spans[index : last + 1]], self._height):
                return
            add(own, self._inks[last], *self._corners[last])
            widest = _WIDEST_PIECE if last == index else _WIDEST
            self._keep(self._spans[index].first, self._spans[last].end, range(index, last + 1), own, (0, 0), widest)

    def _cut(self, index: int) -> None:
        """Keep the parts between the cuts of a piece, and between a cut and a side."""
        span, ink, (row, column) = self._spans[index], self._inks[index], self._corners[index]
        rows, columns = ink.shape
        across = columns / span.piece.box.width
        inner = [cv2.resize(cut.columns, (1, rows), interpolation=cv2.INTER_AREA) * across for cut in span.cuts]
        sides = [np.zeros((rows, 1)), *inner, np.full((rows, 1), float(columns))]
        behind = [np.clip(np.arange(1, columns + 1) - side, 0, 1).astype(np.float32) for side in sides]
        least = _LEAST * float(ink.sum()) / max(1.0, columns / HEIGHT)
        for first, end in combinations(range(len(sides)), 2):
            apart = float((sides[end] - sides[first]).mean())
            if end - first == len(sides) - 1 or apart > _FURTHEST * HEIGHT:
                continue
            start, stop = int(sides[first].min()), int(sides[end].max()) + 1
            own = ink[:, start:stop] * (behind[first][:, start:stop] - behind[end][:, start:stop])
            if cv2.sumElems(own)[0] >= least:
                corner = row, column + start
                self._keep(span.first + first, span.first + end, range(index, index + 1), own, corner, _WIDEST)

    def _keep(self, first: int, end: int, pieces: range, ink: Floats, corner: tuple[int, int], widest: float) -> None:
        """Keep a part if it can be a digit; its ink's first pixel is the small copy's at `corner`."""
        left, top, width, height = cv2.boundingRect((ink > _INKED).view(np.uint8))
        if not (_LOWEST <= height / HEIGHT <= _HIGHEST and _NARROWEST <= width / HEIGHT <= widest):
            return
        y, x = top + (height - VIEW[0]) // 2, left + (width - VIEW[1]) // 2
        part = Part(first, end, pieces, corner[0] + y, corner[1] + x)
        room = cv2.copyMakeBorder(ink, VIEW[0], VIEW[0], VIEW[1], VIEW[1], cv2.BORDER_CONSTANT)
        own = room[VIEW[0] + y :, VIEW[1] + x :][: VIEW[0], : VIEW[1]]
        self.parts.append(part)
        self._views.append(np.stack([own, self.seen(self.ink, part) - own]))


def add(copy: Floats, ink: Floats, row: int, column: int) -> None:
    """Add ink to a copy, its first pixel at a place; what goes beyond its last row or column is left out."""
    place = copy[row : row + ink.shape[0], column : column + ink.shape[1]]
    place += ink[: place.shape[0], : place.shape[1]]


def _near(boxes: list[Box], height: float) -> bool:
    """Whether the last box may belong to the same digit as those before it."""
    *before, last = boxes
    gaps = [box.gaps(last) for box in before]
    distance = min(np.hypot(max(across, 0), max(down, 0)) for across, down in gaps)
    both = last.height > _AS_HIGH * height and any(box.height > _AS_HIGH * height for box in before)
    return bool(distance <= (_NEAR_FIGURES if both else _NEAR) * height)
