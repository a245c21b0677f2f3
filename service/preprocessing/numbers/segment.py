"""A picture -> the candidates for its digits."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from service.errors import NoDigit, SeveralDigits, TooManyDigits
from service.preprocessing.box import Box
from service.preprocessing.illumination import Grey
from service.preprocessing.mnist_format import canonical_digit
from service.preprocessing.numbers.candidates import MANY, Candidate, Drawing, Row, Span
from service.preprocessing.numbers.cuts import find_cuts
from service.preprocessing.numbers.lines import find_lines
from service.preprocessing.numbers.path import Probabilities
from service.preprocessing.numbers.pieces import FIGURE, NONE, Piece, Pieces, figures_of, find_pieces, ink_of, is_coarse
from service.preprocessing.numbers.reading import Copy, copies, part_of, readings

_MOST_FIGURES = 72  # pieces as high as the writing: more of them are a page of text
_FEW = 2  # figures: one of them may be a sign
_ROOM = 1.2  # heights around writing that is looked at from nearer


@dataclass(frozen=True)
class Segmented:
    """The candidates of a picture by line, and all of them as 28x28, uint8 [N, 28, 28].

    `single` says of a picture of few figures whether it is a single digit to `/predict`; the last image is that digit.
    """

    rows: list[Row]
    images: Grey
    copy: Copy
    times: int
    single: bool | None = None

    def as_single(self, probabilities: Probabilities) -> Probabilities | None:
        """Return the probabilities of the picture as a single digit, 0 if it is none, None if it may be more."""
        return None if self.single is None else np.asarray(probabilities[-1] * self.single, np.float32)

    def in_picture(self, box: Box) -> list[int]:
        """Return a box of the copy in pixels of the picture as sent: left, top, width, height."""
        scale = self.copy.scale
        left, top = self.copy.left + box.left * scale, self.copy.top + box.top * scale
        sides = left, top, max(1.0, box.width * scale), max(1.0, box.height * scale)
        return [round(side * self.times) for side in sides]


def segment(grey: Grey, times: int = 1) -> Segmented:
    """Return the candidates for the digits of a picture, uint8 [height, width], dark on light or light on dark.

    `times` is the factor by which the picture was larger when it was sent.

    Raises:
        NoDigit: it is blank, or holds nothing like the strokes of digits.
        TooManyDigits: it holds more figures than are read.
    """
    try:
        copy, pieces = _nearer(grey, *_best(copies(grey)))
    except NoDigit:
        return _alone(grey, times)
    figures = len(figures_of(pieces.pieces, pieces.height))
    if figures > _MOST_FIGURES:
        raise TooManyDigits(MANY)
    lines = find_lines(pieces.pieces, pieces.height)
    cuts = {
        piece.label: find_cuts(ink_of(piece, pieces.labels, pieces.amount), line.height)
        for line in lines
        for piece in line.pieces
        if piece.box.height > FIGURE * line.height
    }
    drawing = Drawing(pieces.labels, pieces.amount)
    rows = [drawing.row(line, cuts) for line in lines]
    if not any(row.candidates for row in rows):
        raise NoDigit(NONE)
    found = Segmented(rows, drawing.images, copy, times)
    return found if figures > _FEW else _beside_single(found, grey)


def _beside_single(found: Segmented, grey: Grey) -> Segmented:
    """Return what was found in a picture together with its single digit, if it has one."""
    try:
        images = np.concatenate([found.images, canonical_digit(grey)[np.newaxis]])
    except SeveralDigits:
        return found
    except NoDigit:
        return replace(found, single=False)
    return replace(found, images=images, single=True)


def _alone(grey: Grey, times: int) -> Segmented:
    """Return the single digit that `canonical_digit` finds, as in cut-outs and bitmaps; its box is the picture."""
    try:
        digit = canonical_digit(grey)
    except SeveralDigits:
        raise NoDigit(NONE) from None
    height, width = grey.shape
    piece = Piece(1, Box(0, 0, width, height), float(width * height))
    row = Row([Span(piece, 0, 1)], [Candidate(0, 1, 0, piece.box)], float(height))
    return Segmented([row], digit[np.newaxis], Copy(grey, np.zeros_like(grey), 0, 0, 1.0, small=False), times)


def _best(found: Iterable[Copy]) -> tuple[Copy, Pieces]:
    """Return the clearest reading of some copies of a picture."""
    best: tuple[Copy, Pieces] | None = None
    for copy in found:
        for reading in readings(copy):
            try:
                pieces = find_pieces(reading)
            except NoDigit:
                continue
            if best is None or pieces.score > best[1].score:
                best = copy, pieces
            if pieces.sure:
                return best
    if best is None:
        raise NoDigit(NONE)
    return best


def _nearer(grey: Grey, copy: Copy, pieces: Pieces) -> tuple[Copy, Pieces]:
    """Return a reading of the part of a picture with the writing, if that is small and the picture is finer.

    Raises:
        NoDigit: from nearer there is none.
    """
    figures = [piece.box for piece in figures_of(pieces.pieces, pieces.height)]
    if not is_coarse(copy, pieces.height) or not figures:
        return copy, pieces
    box = reduce(Box.around, figures)
    room = _ROOM * pieces.height
    left, top = (
        int(max(0, start * copy.scale + offset))
        for start, offset in ((box.left - room, copy.left), (box.top - room, copy.top))
    )
    width, height = (int((side + 2 * room) * copy.scale) for side in (box.width, box.height))
    return _best([part_of(grey, left, top, width, height)])
