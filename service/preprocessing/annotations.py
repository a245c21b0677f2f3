"""Strokes -> strokes without what was drawn around a digit: a line under it, a ring round it, brackets."""

from functools import reduce
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.box import Box
from service.preprocessing.illumination import Floats, Mask, components

_FLAT, _LEVEL = 4.0, 2.5  # times its thickness, a line; times the height of its bounds, one that is nearly level
_AT_FOOT = 0.15  # of the height of the rest: a line through it may lie so far above its foot
_SPECK, _SLENDER = 0.03, 0.35  # of all strokes; of its bounds, a ring
_HELD, _INSET = 0.35, 0.04  # of a ring: the height of what it holds, the gap
_NARROW, _BEYOND = 0.45, 0.05  # a bracket's width by its height; of the rest's height, above and below it
_SLOPES = np.linspace(-0.25, 0.25, 11, dtype=np.float32)[:, None]  # of a line that is nearly level
_SHORTEST = 8  # pixels: a line
_LONG, _STRAY = 0.65, 0.01  # of the ink's width: a line's columns; how far its lower edge strays, and a pixel
_WAVY = 0.5, 0.002  # pixels, and of the ink's width: so much stray the feet of 2s
_THIN_PART = 0.3  # of a line's columns show its thickness; in the others something stands on it
_STICKS_OUT = 0.15  # of its length, on either side of the rest: no foot of a 2


class _Line(NamedTuple):
    """A line: its columns, its lower edge, a row a column, how thick it is, and which pixels are on it."""

    left: int
    right: int
    floor: Floats
    thickness: float
    on: npt.NDArray[np.bool_]


def without_annotations(strokes: Mask) -> Mask:
    """Return `strokes` without underlines and rings that touch no digit, and without a line that it stands on."""
    return without_line_through(_without_free_ones(strokes))


def _without_free_ones(strokes: Mask) -> Mask:
    _, labels, boxes = components(strokes)
    least = _SPECK * cv2.countNonZero(strokes)
    pieces = {label: (Box(*box), area) for label, (*box, area) in enumerate(boxes.tolist()) if label and area > least}
    gone: list[int] = []
    for label, (box, area) in sorted(pieces.items(), key=lambda piece: -piece[1][0].bottom):
        others = [other for piece, (other, _) in pieces.items() if piece not in (label, *gone)]
        if not others:
            continue
        if _is_line(labels[box.slices(0)] == label):
            drawn = _is_under(box, others)
        else:
            drawn = area <= _SLENDER * box.area and _is_ring(box, reduce(Box.around, others))
        gone += [label] * drawn
    gone += _brackets({label: box for label, (box, _) in pieces.items() if label not in gone})
    return np.where(np.isin(labels, gone), 0, strokes).astype(np.uint8) if gone else strokes


def _is_line(member: npt.NDArray[np.bool_]) -> bool:
    """Tell whether a piece, given by its pixels within its bounds, is a straight line that is nearly level."""
    height, width = member.shape
    if width < _LEVEL * height:
        return False
    sides = sorted(cv2.minAreaRect(cv2.findNonZero(member.view(np.uint8)))[1])
    return sides[1] >= _FLAT * (sides[0] + 1)


def _is_under(line: Box, others: list[Box]) -> bool:
    """Tell whether a line lies under those of the others that are above it."""
    middle = line.top + line.height / 2
    above = [other.bottom for other in others if other.top + other.height / 2 < middle]
    return bool(above) and middle > max(above)


def _is_ring(box: Box, rest: Box) -> bool:
    """Tell whether a slender piece is a ring round the rest."""
    room = min(rest.left - box.left, rest.top - box.top, box.right - rest.right, box.bottom - rest.bottom)
    if room < _INSET * min(box.width, box.height):
        return False
    return rest.height > _HELD * box.height


def _brackets(pieces: dict[int, Box]) -> list[int]:
    """Return the labels of two upright pieces that stand on both sides of all others, and reach beyond them."""
    if len(pieces) < 3:
        return []
    ordered = sorted(pieces, key=lambda label: pieces[label].left)
    rest = reduce(Box.around, (pieces[label] for label in ordered[1:-1]))
    sides = pieces[ordered[0]], pieces[ordered[-1]]
    beyond = _BEYOND * rest.height
    upright = all(
        side.width < _NARROW * side.height and side.top < rest.top - beyond and side.bottom > rest.bottom + beyond
        for side in sides
    )
    return [ordered[0], ordered[-1]] if upright else []


def without_line_through(strokes: Mask) -> Mask:
    """Return `strokes` without a straight line at their foot that reaches further than they do on both sides."""
    whole = Box(*cv2.boundingRect(strokes))
    if whole.width < _SHORTEST:
        return strokes
    part = strokes[whole.slices(0)]
    line = _line_at_foot(part)
    if line is None:
        return strokes
    reach = np.ones((round(line.thickness) + 4, 1), np.uint8)
    crossing = cv2.morphologyEx(part, cv2.MORPH_OPEN, reach, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    rest = np.where(line.on, crossing, part).astype(np.uint8)
    boxes = [Box(*box[:4]) for box in components(rest)[2][1:].tolist()]
    if not boxes or not _stands_on(max(boxes, key=lambda box: box.area), line):
        return strokes
    cleaned = strokes.copy()
    cleaned[whole.slices(0)] = rest
    return cleaned


def _line_at_foot(part: Mask) -> _Line | None:
    """Return the straight line on which the lowest pixels of most columns lie, None if there is none."""
    height, width = part.shape
    rows, columns = np.arange(height, dtype=np.uint16)[:, None], np.arange(width, dtype=np.float32)
    lowest = (part * rows).max(axis=0).astype(np.float32)
    offsets = lowest - _SLOPES * columns
    away, stray = np.abs(offsets - np.sort(offsets)[:, width // 2, None]), 1 + _STRAY * width
    near = away[np.minimum(away, stray).sum(axis=1).argmin()] <= stray
    if near.mean() < _LONG:
        return None
    slope, level = np.polyfit(np.flatnonzero(near), lowest[near], 1)
    floor = np.asarray(level + slope * columns, np.float32)
    if (lowest - floor)[near].std() >= _WAVY[0] + _WAVY[1] * width:
        return None
    above = np.where((part == 0) & (rows < lowest), rows, -1.0).max(axis=0)
    thickness = float(np.quantile((lowest - above)[near], _THIN_PART))
    on = (rows > floor - thickness - 1) & (rows <= floor + stray)
    left, *_, right = np.flatnonzero(near).tolist()
    return _Line(left, right + 1, floor, thickness, on)


def _stands_on(rest: Box, line: _Line) -> bool:
    """Tell whether a line lies at the foot of the rest and goes beyond it on both sides."""
    length, row = line.right - line.left, line.floor[min(rest.left + rest.width // 2, len(line.floor) - 1)]
    out = min(rest.left - line.left, line.right - rest.right)
    at_foot = row - line.thickness / 2 > rest.bottom - _AT_FOOT * rest.height
    return bool(out > _STICKS_OUT * length and at_foot)
