"""Strokes -> connected pieces, without specks and the edge of the paper."""

from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np

from service.errors import NoDigit
from service.preprocessing.box import Box
from service.preprocessing.creases import only_folds
from service.preprocessing.groups import LOOSE
from service.preprocessing.illumination import Floats, Labels, components, totals
from service.preprocessing.numbers.marks import writing_height
from service.preprocessing.numbers.reading import Copy, Reading
from service.preprocessing.page import is_panel
from service.preprocessing.segment import OF_A_FOLD, edged_share, thickness

MOST_PIECES = 160
FIGURE = 0.5  # of the height of the writing, or of its line: as high as a digit
_CROWD, _CROWD_SHARE = 120, 0.3  # more pieces than this, and so little ink in those of the writing's height: noise
_SPECK = 0.14, 0.012  # of the writing's height; of a figure's ink
_SOLID = 0.42  # of the writing's height: what is thicker is no stroke
_BLOTS = 0.5  # of the figures' ink: so much of writing may be solid
_BARELY = 0.6  # of the outlines is an edge: perhaps strokes
_EDGED, _MOST_INK = 0.8, 0.8  # of the outlines is an edge, of all ink is in figures: surely writing
_FLAT, _LONG = 4.0, 1.3  # times its height, of the writing's height: a piece so wide may be a line
_STROKES = 1.5  # that a column crosses, on average: no line
_LEAST_HEIGHT, _THICK = 5, 6  # pixels: of writing; of its strokes, however low it is

_ENOUGH, _FINER = 34, 1.3  # pixels: lower writing is looked at from nearer; times as fine at least

NONE = "Nothing in the picture looks like digits: send a number on a plain background."


class Piece(NamedTuple):
    """Connected strokes: their label, bounds, and ink in pixels of full ink."""

    label: int
    box: Box
    ink: float


class Pieces(NamedTuple):
    """The pieces of a reading, and the pixels of each.

    `labels` is int32 [height, width], 0 = paper; `amount` float32, how much ink is on each pixel; `height` that of the
    writing in pixels. `score` compares readings of one picture; `sure` means that no other need be tried.
    """

    pieces: list[Piece]
    labels: Labels
    amount: Floats
    height: float
    score: float
    sure: bool


def find_pieces(reading: Reading) -> Pieces:
    """Return the pieces of a reading.

    Raises:
        NoDigit: there are none, or nothing but specks and texture.
    """
    together = components(reading.strokes)
    count, labels, boxes = together
    amount = np.clip(reading.ink.amount, 0, 1)
    ink, cores, contact = totals(together, reading.strokes, (amount, reading.ink.cores, reading.copy.rim))
    longer = boxes[:, 2:4].max(axis=1)
    usable = (cores > 0) & (contact < LOOSE * longer)
    usable[0] = False
    found = np.flatnonzero(usable)
    if found.size == 0:
        raise NoDigit(NONE)
    heights = boxes[found, cv2.CC_STAT_HEIGHT]
    height = writing_height(heights, ink[found])
    figures = (heights > FIGURE * height) & (heights < 1.8 * height)
    share = ink[found][figures].sum() / ink[1:].sum()
    if height < _LEAST_HEIGHT or (count > _CROWD and share < _CROWD_SHARE):
        raise NoDigit(NONE)
    typical = float(np.median(ink[found][figures]))
    kept = (longer[found] > _SPECK[0] * height) & (ink[found] > _SPECK[1] * typical)
    widths = boxes[found, cv2.CC_STAT_WIDTH]
    for index in np.flatnonzero(kept & (widths > _FLAT * heights) & (widths > _LONG * height)):
        member = labels[Box(*map(int, boxes[found[index]][:4])).slices(0)] == found[index]
        kept[index] = (np.diff(member.astype(np.int8), axis=0, prepend=0) > 0).sum(axis=0).mean() > _STROKES
    found = found[kept][np.argsort(-ink[found[kept]])][:MOST_PIECES]
    pieces = [Piece(int(i), Box(*map(int, boxes[i][:4])), float(ink[i])) for i in found]
    high = figures_of(pieces, height)
    tall = [piece.label for piece in high]
    member = np.isin(labels, tall).astype(np.uint8)
    edged = edged_share(member, reading.ink.amount, reading.contrast.steps(), reading.ink.contrast)
    folded = reading.ink.contrast < OF_A_FOLD and only_folds(member, reading.copy.rim)
    if (reading.widest is not None and edged < _BARELY) or folded:
        raise NoDigit(NONE)
    if _blotted(high, labels, height, coarse=is_coarse(reading.copy, height)):
        raise NoDigit(NONE)
    score = edged**8 * share * float(ink[tall].sum()) * reading.ink.contrast
    sure = edged > _EDGED and share > _MOST_INK
    return Pieces(pieces, labels, amount, height, score, sure)


def figures_of(pieces: list[Piece], height: float) -> list[Piece]:
    """Return the pieces that are as high as a digit of writing so high."""
    return [piece for piece in pieces if piece.box.height > FIGURE * height]


def is_coarse(copy: Copy, height: float) -> bool:
    """Whether writing so high is too small in a copy, and the picture shows more of it."""
    return height < _ENOUGH and copy.scale >= _FINER


def _blotted(figures: list[Piece], labels: Labels, height: float, *, coarse: bool) -> bool:
    """Whether most ink is in slips of paper or, if not `coarse`, too thick for strokes of writing so high."""
    most = max(_SOLID * height, _THICK)
    masks = [(labels[each.box.slices(0)] == each.label).view(np.uint8) for each in figures]
    solid = [is_panel(mask) or (not coarse and thickness(mask) > most) for mask in masks]
    inks = [each.ink for each in figures]
    return sum(compress(inks, solid)) > _BLOTS * sum(inks)


def ink_of(piece: Piece, labels: Labels, amount: Floats) -> Floats:
    """Return the ink of a piece within its bounds, float32 [rows, columns]."""
    part = piece.box.slices(0)
    return np.where(labels[part] == piece.label, amount[part], 0).astype(np.float32)
