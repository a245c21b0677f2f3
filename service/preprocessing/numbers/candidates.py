"""Parts of a line that may be whole digits -> candidates for single digits, as 28x28."""

from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from service.errors import TooManyDigits
from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats, Grey, Labels
from service.preprocessing.mnist_format import centre, fit
from service.preprocessing.numbers.cuts import Cut
from service.preprocessing.numbers.lines import Line
from service.preprocessing.numbers.parts import Part, Span, Strip
from service.preprocessing.numbers.whole import whole
from service.preprocessing.segment import FAINTEST

MOST_DIGITS = 32
MANY = f"The picture has more figures than are read of one: send a part of it that has at most {MOST_DIGITS} digits."

_NARROW = 1.2  # of the line's height: what one digit may be as wide as
UNLIKELY = -5.0  # log-probability of being the likeliest digit: the model need not see it
_UNJUDGED: Floats = np.zeros(10, np.float32)
_SHARED = 0.5  # stroke widths beyond a cut belong to both sides
_MOST_CANDIDATES = 600  # a number of 10 digits, all of them touching, has some 400
_ROOM = 1  # pixels around the whole


class Candidate(NamedTuple):
    """A possible digit: what lies between the places `first` and `end` of a line.

    `image` is the index of its 28x28; `whole`, float32 [10], the log-probability that it is each digit, and whole, by
    what is around it. `cuts` is how many of its sides are cuts; `narrow` says that what is cut is no wider than a digit
    may be.
    """

    first: int
    end: int
    image: int
    box: Box
    whole: Floats = _UNJUDGED
    cuts: int = 0
    narrow: bool = False


class Row(NamedTuple):
    """A line: its pieces from left to right, its candidates, and the height of its figures in pixels."""

    spans: list[Span]
    candidates: list[Candidate]
    height: float


class Drawing:
    """Makes the images of a picture's candidates, from the pixels of its pieces."""

    def __init__(self, labels: Labels, amount: Floats, pen: float) -> None:
        """Take the labels of the pieces, int32 [height, width], their ink, and the stroke's width in pixels."""
        self._labels, self._amount = (np.pad(pixels, _ROOM) for pixels in (labels, amount))
        self._pen = pen
        self._images: list[Grey] = []

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """All images made so far, uint8 [N, 28, 28]."""
        return np.stack(self._images) if self._images else np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8)

    def row(self, line: Line, cuts: dict[int, list[Cut]]) -> Row:
        """Return the candidates of a line, and keep their images."""
        spans = spans_of(line, cuts)
        inks = [self._ink([piece.label], piece.box) for piece in line.pieces]
        strip = Strip(spans, [ink[_ROOM:-_ROOM, _ROOM:-_ROOM] for ink in inks], line.height)
        if len(strip.parts) > _MOST_CANDIDATES:
            raise TooManyDigits(MANY)
        judged = whole(strip.views)
        candidates = []
        for index in np.flatnonzero(judged.max(axis=1, initial=UNLIKELY) > UNLIKELY):
            part = strip.parts[index]
            span, cut = spans[part.pieces[0]], 0
            if len(part.pieces) > 1:
                box = reduce(Box.around, (spans[at].piece.box for at in part.pieces))
                ink = self._ink([spans[at].piece.label for at in part.pieces], box)
            else:
                ink, box = self._cut(inks[part.pieces[0]], span, part)
                cut = (part.first > span.first) + (part.end < span.end)
            narrow = span.piece.box.width <= _NARROW * line.height
            candidates.append(Candidate(part.first, part.end, self._add(ink), box, judged[index], cut, narrow))
        return Row(spans, candidates, line.height)

    def _cut(self, ink: Floats, span: Span, part: Part) -> tuple[Floats, Box]:
        """Return the ink of a part of a piece, and its bounds."""
        box = span.piece.box
        if (part.first, part.end) == (span.first, span.end):
            return ink, box
        columns = np.arange(-_ROOM, box.width + _ROOM)
        shared = max(1.0, _SHARED * self._pen)
        if part.first > span.first:
            ink = ink * (columns >= _edged(span.cuts[part.first - span.first - 1]) - shared)
        if part.end < span.end:
            ink = ink * (columns < _edged(span.cuts[part.end - span.first - 1]) + shared)
        left, top, width, height = cv2.boundingRect((ink > 0.5).view(np.uint8))
        bounds = Box(box.left + left - _ROOM, box.top + top - _ROOM, width, height)
        return ink[Box(left, top, width, height).slices(_ROOM)], bounds

    def _ink(self, chosen: list[int], box: Box) -> Floats:
        """Return the ink of some pieces in a box with a margin of one pixel, and the paper's at their edges."""
        part = Box(box.left + _ROOM, box.top + _ROOM, box.width, box.height).slices(_ROOM)
        labels = self._labels[part]
        own = np.isin(labels, chosen) if len(chosen) > 1 else labels == chosen[0]
        edged = np.asarray(cv2.dilate(own.view(np.uint8), np.ones((3, 3), np.uint8)) > 0)
        ink = np.where(own | (edged & (labels == 0)), self._amount[part], 0).astype(np.float32)
        ink[ink < FAINTEST] = 0
        return ink

    def _add(self, ink: Floats) -> int:
        """Make a candidate's image from its ink; return its index."""
        if len(self._images) == _MOST_CANDIDATES:
            raise TooManyDigits(MANY)
        self._images.append(centre(fit(ink)))
        return len(self._images) - 1


def spans_of(line: Line, cuts: dict[int, list[Cut]]) -> list[Span]:
    """Return the pieces of a line with their cuts and places."""
    spans: list[Span] = []
    for piece in line.pieces:
        first, through = spans[-1].end if spans else 0, cuts.get(piece.label, [])
        spans.append(Span(piece, first, first + len(through) + 1, through))
    return spans


def _edged(cut: Cut) -> npt.NDArray[np.float64]:
    """Return a cut's columns, [rows, 1], with one more row at either end."""
    return np.pad(cut.columns, _ROOM, "edge")[:, np.newaxis]
