"""Strokes -> strokes without what was drawn around a digit: a line under it, a ring round it, brackets."""

from functools import reduce

import cv2
import numpy as np

from service.preprocessing.box import Box
from service.preprocessing.illumination import Components, Mask, components
from service.preprocessing.ruled_lines import level_runs

_FLAT = 4.0  # times its height: a line
_UNDER = 0.6  # times the width of the rest: an underline
_BELOW = 0.04  # of the height of the rest: an underline lies so far below its foot
_AT_FOOT = 0.15  # of the height of the rest: a line through it may lie so far above its foot
_SPECK, _SLENDER = 0.03, 0.35  # of all strokes; of its bounds, a ring
_HELD, _BAR_HELD, _INSET = 0.35, 0.8, 0.04  # of a ring: the height of what it holds, its width by its height, the gap
_NARROW, _BEYOND = 0.45, 0.05  # a bracket's width by its height; of the rest's height, above and below it
_RUN, _LONG = 0.3, 0.75  # of the ink's width: a straight run; a line
_STICKS_OUT, _LONGER = 0.18, 1.6  # of its length, on either side of the rest; times that one's width: no foot of a 2
_THICKEST = 0.2  # of the rest's height


def without_annotations(strokes: Mask, found: Components | None = None) -> Mask:
    """Return `strokes` without underlines and rings that touch no digit, and without a line that it stands on.

    `found` are the components of `strokes`, if they are known.
    """
    return without_line_through(_without_free_ones(strokes, found or components(strokes)))


def _without_free_ones(strokes: Mask, found: Components) -> Mask:
    _, labels, boxes = found
    least = _SPECK * cv2.countNonZero(strokes)
    pieces = {label: (Box(*box), area) for label, (*box, area) in enumerate(boxes.tolist()) if label and area > least}
    gone: list[int] = []
    for label, (box, area) in sorted(pieces.items(), key=lambda piece: -piece[1][0].bottom):
        if area > _SLENDER * box.area and box.width < _FLAT * box.height:
            continue
        others = [other for piece, (other, _) in pieces.items() if piece not in (label, *gone)]
        if others and _is_drawn_around(box, area, reduce(Box.around, others)):
            gone.append(label)
    gone += _brackets({label: box for label, (box, _) in pieces.items() if label not in gone})
    return np.where(np.isin(labels, gone), 0, strokes).astype(np.uint8) if gone else strokes


def _is_drawn_around(box: Box, area: int, rest: Box) -> bool:
    """Tell whether a piece of so many pixels is a line under the rest, or a ring round it."""
    if box.width >= _FLAT * box.height and box.height < rest.height:
        middle = box.top + box.height / 2
        return middle > rest.bottom + _BELOW * rest.height and box.width >= _UNDER * rest.width
    room = min(rest.left - box.left, rest.top - box.top, box.right - rest.right, box.bottom - rest.bottom)
    if area > _SLENDER * box.area or room < _INSET * min(box.width, box.height):
        return False
    slender = rest.width < 0.4 * rest.height
    return rest.height > _HELD * box.height and (not slender or box.width > _BAR_HELD * box.height)


def _brackets(pieces: dict[int, Box]) -> list[int]:
    """Return the labels of two upright pieces that stand on both sides of all others, and reach beyond them."""
    if len(pieces) < 3:
        return []
    ordered = sorted(pieces, key=lambda label: pieces[label].left)
    rest = reduce(Box.around, (pieces[label] for label in ordered[1:-1]))
    sides = pieces[ordered[0]], pieces[ordered[-1]]
    beside = sides[0].right <= rest.left and rest.right <= sides[1].left
    beyond = _BEYOND * rest.height
    upright = all(
        side.width < _NARROW * side.height and side.top < rest.top - beyond and side.bottom > rest.bottom + beyond
        for side in sides
    )
    return [ordered[0], ordered[-1]] if beside and upright else []


def without_line_through(strokes: Mask) -> Mask:
    """Return `strokes` without a straight line at their foot that reaches further than they do on both sides."""
    whole = Box(*cv2.boundingRect(strokes))
    if whole.width == 0:
        return strokes
    part = strokes[whole.slices(0)]
    found = level_runs(part, max(8, round(_RUN * whole.width)), _LONG * whole.width)
    if found is None:
        return strokes
    _, labels, boxes = found
    for label, (*bounds, _) in enumerate(boxes.tolist()):
        line = Box(*bounds)
        if not label or line.width < max(_LONG * whole.width, _FLAT * line.height):
            continue
        on = (labels == label).view(np.uint8)
        thickness = cv2.countNonZero(on & part) / line.width
        reach = np.ones((round(thickness) + 3, 1), np.uint8)
        crossing = cv2.morphologyEx(part, cv2.MORPH_OPEN, reach, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        rest = np.where(on > 0, crossing, part).astype(np.uint8)
        if _stands_on(_largest(rest), line, thickness):
            cleaned = strokes.copy()
            cleaned[whole.slices(0)] = rest
            return cleaned
    return strokes


def _largest(mask: Mask) -> Box:
    _, _, boxes = components(mask)
    return max((Box(*box[:4]) for box in boxes[1:].tolist()), key=lambda box: box.area, default=Box(0, 0, 0, 0))


def _stands_on(rest: Box, line: Box, thickness: float) -> bool:
    """Tell whether a line lies at the foot of the rest, is thin beside it, and goes beyond it on both sides."""
    out = min(rest.left - line.left, line.right - rest.right)
    beyond = out > _STICKS_OUT * line.width and line.width > _LONGER * rest.width
    at_foot = line.top + line.height / 2 > rest.bottom - _AT_FOOT * rest.height
    return beyond and at_foot and thickness < _THICKEST * rest.height
