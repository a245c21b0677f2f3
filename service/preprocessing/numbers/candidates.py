"""Pieces of a line and the cuts through them -> candidates for single digits, as 28x28.

Places along a line are numbered from left to right: both sides of each piece, and each cut. A candidate lies between
two places.
"""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.contract import IMAGE_SIDE
from service.errors import TooManyDigits
from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats, Grey, Labels, morphed
from service.preprocessing.mnist_format import centre, fit
from service.preprocessing.numbers.cuts import Cuts
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
_MOST_CANDIDATES = 600  # of a picture: a number of 10 digits, all of them touching, has some 30
_UNLIKELY = -5.0  # log-probability: the model need not see such a part
_UNNAMED = -6.0  # log-probability of a digit, if it is a single one
_ROOM = 1  # pixels around the whole
_UNJUDGED: Floats = np.zeros(10, np.float32)


class Candidate(NamedTuple):
    """A possible digit: what lies between the places `first` and `end` of a line.

    `image` is the index of its 28x28. `odds`, float32 [10], is the log-probability that just this digit is there, of a
    part; that any one digit is there, of a piece, and `named` that it is this one; both are 0 where nothing was judged.
    `cuts` is how many of its sides are cuts; `narrow` says that what is cut is no wider than a digit may be.
    """

    first: int
    end: int
    image: int
    box: Box
    odds: Floats = _UNJUDGED
    cuts: int = 0
    narrow: bool = False
    named: Floats = _UNJUDGED


class Span(NamedTuple):
    """A piece of a line and the places before and behind it."""

    piece: Piece
    first: int
    end: int


class Row(NamedTuple):
    """A line: its pieces from left to right, its candidates, and the height of its figures in pixels."""

    spans: list[Span]
    candidates: list[Candidate]
    height: float


class Drawing:
    """Makes the images of a picture's candidates, from the pixels of its pieces."""

    def __init__(self, labels: Labels, amount: Floats) -> None:
        """Take the labels of the pieces, int32 [height, width], and their ink."""
        self._labels, self._amount = (np.pad(pixels, _ROOM) for pixels in (labels, amount))
        self._images: list[Grey] = []

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """All images made so far, uint8 [N, 28, 28]."""
        return np.stack(self._images) if self._images else np.zeros((0, IMAGE_SIDE, IMAGE_SIDE), np.uint8)

    def row(self, line: Line, cuts: dict[int, Cuts]) -> Row:
        """Return the candidates of a line, and keep their images."""
        spans = spans_of(line, cuts)
        candidates = [found for span in spans for found in self._parts(span, cuts.get(span.piece.label), line.height)]
        for index in range(len(spans)):
            for count in range(2, _MOST_PIECES + 1):
                group = spans[index : index + count]
                if len(group) < count or not _near([one.piece.box for one in group], line.height):
                    break
                candidates += self._together(group, line.height)
        return Row(spans, candidates, line.height)

    def _parts(self, span: Span, cuts: Cuts | None, height: float) -> Iterator[Candidate]:
        """Yield the candidates of a piece: the piece, and its parts between two sides, which are its own or cuts."""
        whole = self._together([span], height)
        if cuts is None:
            yield from whole
            return
        any_digit = np.logaddexp.reduce(cuts.odds[0, -1])
        odds = np.full(10, max(any_digit, _UNLIKELY), np.float32)
        named = np.maximum(cuts.odds[0, -1] - any_digit, _UNNAMED)
        yield from (one._replace(odds=odds, named=named) for one in whole)
        if not len(cuts.columns):
            return
        box, ink = span.piece.box, self._ink([span.piece.label], span.piece.box)
        columns = np.arange(-_ROOM, box.width + _ROOM)
        inner = np.pad(cuts.columns, ((0, 0), (_ROOM, _ROOM)), "edge")[..., np.newaxis]
        sides = [np.array(-np.inf), *inner, np.array(np.inf)]
        likely = cuts.odds.max(axis=2) > _UNLIKELY
        likely[0, -1] = False
        for first, end in zip(*np.nonzero(likely), strict=True):
            own = ink * ((columns >= sides[first]) & (columns < sides[end]))
            left, top, width, tall = cv2.boundingRect((own > 0.5).view(np.uint8))
            if width and tall:
                bounds = Box(box.left + left - _ROOM, box.top + top - _ROOM, width, tall)
                odds = np.maximum(cuts.odds[first, end], _UNLIKELY)
                image = self._add(own[Box(left, top, width, tall).slices(_ROOM)])
                places = span.first + int(first), span.first + int(end)
                cut = int(first > 0) + int(end < len(sides) - 1)
                yield Candidate(*places, image, bounds, odds, cut, box.width <= _NARROW * height)

    def _together(self, group: list[Span], height: float) -> list[Candidate]:
        """Return the candidate made of whole pieces, if it can be a digit."""
        box = reduce(Box.around, (span.piece.box for span in group))
        widest = _WIDEST if len(group) > 1 else _WIDEST_PIECE
        if not (_LOWEST <= box.height / height <= _HIGHEST and _NARROWEST <= box.width / height <= widest):
            return []
        image = self._add(self._ink([span.piece.label for span in group], box))
        return [Candidate(group[0].first, group[-1].end, image, box)]

    def _ink(self, chosen: list[int], box: Box) -> Floats:
        """Return the ink of some pieces in a box with a margin of one pixel, and the paper's at their edges."""
        part = Box(box.left + _ROOM, box.top + _ROOM, box.width, box.height).slices(_ROOM)
        labels = self._labels[part]
        own = np.isin(labels, chosen) if len(chosen) > 1 else labels == chosen[0]
        edged = morphed(own.view(np.uint8), cv2.MORPH_DILATE, 3) > 0
        ink = np.where(own | (edged & (labels == 0)), self._amount[part], 0).astype(np.float32)
        ink[ink < FAINTEST] = 0
        return ink

    def _add(self, ink: Floats) -> int:
        """Make a candidate's image from its ink; return its index."""
        if len(self._images) == _MOST_CANDIDATES:
            raise TooManyDigits(MANY)
        self._images.append(centre(fit(ink)))
        return len(self._images) - 1


def spans_of(line: Line, cuts: dict[int, Cuts]) -> list[Span]:
    """Return the pieces of a line with their places."""
    spans: list[Span] = []
    for piece in line.pieces:
        first = spans[-1].end if spans else 0
        spans.append(Span(piece, first, first + (len(cuts[piece.label].columns) if piece.label in cuts else 0) + 1))
    return spans


def _near(boxes: list[Box], height: float) -> bool:
    """Whether the last box may belong to the same digit as those before it."""
    *before, last = boxes
    gaps = [box.gaps(last) for box in before]
    distance = min(np.hypot(max(across, 0), max(down, 0)) for across, down in gaps)
    both = last.height > _AS_HIGH * height and any(box.height > _AS_HIGH * height for box in before)
    return bool(distance <= (_NEAR_FIGURES if both else _NEAR) * height)
