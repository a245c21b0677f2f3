"""Pieces of a line and the cuts through them -> candidates for single digits, as 28x28.

Places along a line are numbered from left to right: both sides of each piece, and each cut. A candidate lies between
two places.
"""

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
from service.preprocessing.numbers.pieces import Piece
from service.preprocessing.segment import FAINTEST

MOST_DIGITS = 32
MANY = f"The picture has more figures than are read of one: send a part of it that has at most {MOST_DIGITS} digits."

_LOWEST, _HIGHEST = 0.42, 2.0  # of the line's height: a digit
_NARROWEST, _WIDEST, _WIDEST_PIECE = 0.06, 1.35, 1.7  # of the line's height: parts; a piece that is not cut
_NARROW = 1.2  # of the line's height: what one digit may be as wide as
_MOST_PIECES = 4  # of one digit
_NEAR, _NEAR_FIGURES = 0.28, 0.06  # of the line's height: between parts of one digit, and where both are as high
_AS_HIGH = 0.72  # of the line's height
_SHARED = 0.5  # stroke widths beyond a cut belong to both sides
_STROKE = 1.6  # stroke widths between two cuts: a stroke that two digits may share
_LEAST = 0.16  # of a piece's ink, for each of the digits that it is as wide as: a part of it that is a digit
_MOST_CANDIDATES = 600  # a number of 10 digits, all of them touching, has some 400
_ROOM = 1  # pixels around the whole


class Candidate(NamedTuple):
    """A possible digit: what lies between the places `first` and `end` of a line.

    `image` is the index of its 28x28; `crossed` the ink that the cuts at its sides go through, in stroke widths, and
    `cuts` how many of its sides are cuts; `narrow` says that what is cut is no wider than a digit may be.
    """

    first: int
    end: int
    image: int
    box: Box
    crossed: float = 0.0
    cuts: int = 0
    narrow: bool = False


class Span(NamedTuple):
    """A piece of a line and the places before and behind it."""

    piece: Piece
    first: int
    end: int


class Row(NamedTuple):
    """A line: its pieces from left to right, its candidates, and the height of its figures in pixels.

    `overlaps` has for a place the later ones up to which a stroke may belong to the digits on both sides.
    """

    spans: list[Span]
    candidates: list[Candidate]
    height: float
    overlaps: dict[int, list[int]]


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
        spans: list[Span] = []
        place = 0
        for piece in line.pieces:
            spans.append(Span(piece, place, place + len(cuts.get(piece.label, ())) + 1))
            place = spans[-1].end
        candidates: list[Candidate] = []
        overlaps: dict[int, list[int]] = {}
        for index, span in enumerate(spans):
            of_it = cuts.get(span.piece.label, [])
            candidates += self._between(span, of_it, line.height)
            overlaps |= self._overlaps(span, of_it)
            for count in range(1, _MOST_PIECES + 1):
                group = spans[index : index + count]
                if len(group) < count or (count > 1 and not _near([one.piece.box for one in group], line.height)):
                    break
                candidates += self._whole(group, line.height)
        return Row(spans, candidates, line.height, overlaps)

    def _overlaps(self, span: Span, cuts: list[Cut]) -> dict[int, list[int]]:
        """Return, for each cut, the cuts within a stroke's width after it."""
        middles = np.array([cut.columns.mean() for cut in cuts])
        return {
            span.first + 1 + index: [
                span.first + 1 + other
                for other in range(index + 1, len(cuts))
                if abs(middles[other] - middles[index]) <= _STROKE * self._pen
            ]
            for index in range(len(cuts))
        }

    def _whole(self, group: list[Span], height: float) -> list[Candidate]:
        """Return the candidate made of whole pieces, if it can be a digit."""
        box = reduce(Box.around, (span.piece.box for span in group))
        widest = _WIDEST_PIECE if len(group) == 1 else _WIDEST
        if not _may_be_digit(box, height) or box.width > widest * height:
            return []
        image = self._add(self._ink([span.piece.label for span in group], box))
        return [Candidate(group[0].first, group[-1].end, image, box)]

    def _between(self, span: Span, cuts: list[Cut], height: float) -> list[Candidate]:
        """Return the candidates between the cuts of a piece, and between a cut and a side."""
        if not cuts:
            return []
        box = span.piece.box
        ink = self._ink([span.piece.label], box)
        columns = np.arange(-1, box.width + 1)
        sides = np.array([cut.columns for cut in cuts])
        sides = np.pad(sides, ((0, 0), (1, 1)), "edge")[..., None]
        shared = max(1.0, _SHARED * self._pen)
        behind = [columns >= -1, *(columns >= sides - shared)]
        before = [*(columns < sides + shared), columns >= -1]
        crossed = [0.0, *(cut.crossed for cut in cuts), 0.0]
        narrow = box.width <= _NARROW * height
        least = _LEAST * span.piece.ink / max(1.0, box.width / height)
        found = []
        for first in range(len(cuts) + 1):
            for end in range(first + 1, len(cuts) + 2):
                if (first, end) == (0, len(cuts) + 1):
                    continue
                part = ink * (behind[first] & before[end - 1])
                left, top, width, tall = cv2.boundingRect((part > 0.5).view(np.uint8))
                if width > _WIDEST * height:
                    break
                bounds = Box(box.left + left - 1, box.top + top - 1, width, tall)
                if not _may_be_digit(bounds, height) or cv2.sumElems(part)[0] < least:
                    continue
                cut = (first > 0) + (end <= len(cuts))
                image = self._add(part[max(0, top - 1) : top + tall + 1, max(0, left - 1) : left + width + 1])
                across = crossed[first] + crossed[end]
                found.append(Candidate(span.first + first, span.first + end, image, bounds, across, cut, narrow))
        return found

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


def _may_be_digit(box: Box, height: float) -> bool:
    return _LOWEST * height <= box.height <= _HIGHEST * height and box.width >= _NARROWEST * height


def _near(boxes: list[Box], height: float) -> bool:
    """Whether the last box may belong to the same digit as those before it."""
    *before, last = boxes
    gaps = [box.gaps(last) for box in before]
    distance = min(np.hypot(max(across, 0), max(down, 0)) for across, down in gaps)
    both = last.height > _AS_HIGH * height and any(box.height > _AS_HIGH * height for box in before)
    return bool(distance <= (_NEAR_FIGURES if both else _NEAR) * height)
