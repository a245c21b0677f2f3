"""Strokes -> strokes without what was drawn around a digit: a line under it, a ring round it."""

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Mask, components

_FLAT = 4.0  # times its height: a line
_UNDER, _OVER = 0.6, 1.25  # times the width of the rest, an underline; a line above it, which is no bar of a 5
_BELOW = 0.04  # of the height of the rest: an underline lies so far below its foot
_AT_FOOT = 0.15  # of the height of the rest: a line through it may lie so far above its foot
_SPECK, _SLENDER = 0.03, 0.35  # of all strokes; of its bounds, a ring
_HELD, _BAR_HELD, _INSET = 0.35, 0.8, 0.04  # of a ring: the height of what it holds, its width by its height, the gap
_RUN, _LONG = 0.3, 0.75  # of the ink's width: a straight run; a line
_STICKS_OUT, _LONGER = 0.18, 1.6  # of its length, on either side of the rest; times that one's width: no foot of a 2
_THICKEST = 0.2  # of the rest's height


def without_annotations(strokes: Mask) -> Mask:
    """Return `strokes` without underlines and rings that touch no digit, and without a line that it stands on."""
    return without_line_through(_without_free_ones(strokes))


def _without_free_ones(strokes: Mask) -> Mask:
    count, labels, boxes = components(strokes)
    sizes = boxes[:, cv2.CC_STAT_AREA].astype(float)
    sizes[0] = 0
    large = [label for label in range(1, count) if sizes[label] > _SPECK * sizes.sum()]
    gone: list[int] = []
    for label in sorted(large, key=lambda label: -boxes[label][2]):
        others = [other for other in large if other not in (label, *gone)]
        if others and _is_drawn_around(boxes[label], _bounds(boxes[others])):
            gone.append(label)
    return np.where(np.isin(labels, gone), 0, strokes).astype(np.uint8) if gone else strokes


def _bounds(boxes: npt.NDArray[np.int32]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of all boxes together."""
    left, top, width, height = boxes[:, :4].T
    return int(left.min()), int(top.min()), int((left + width).max()), int((top + height).max())


def _is_drawn_around(box: npt.NDArray[np.int32], rest: tuple[int, int, int, int]) -> bool:
    """Tell whether a piece is a line under or far over the rest, or a ring round it."""
    x, y, width, height = map(int, box[:4])
    left, top, right, bottom = rest
    if width >= _FLAT * height and height < bottom - top:
        middle = y + height / 2
        if middle > bottom + _BELOW * (bottom - top) and width >= _UNDER * (right - left):
            return True
        return middle < top and width >= _OVER * (right - left)
    gap = _INSET * min(width, height)
    if box[4] > _SLENDER * width * height or min(left - x, top - y, x + width - right, y + height - bottom) < gap:
        return False
    slender = right - left < 0.4 * (bottom - top)
    return bottom - top > _HELD * height and (not slender or width > _BAR_HELD * height)


def without_line_through(strokes: Mask) -> Mask:
    """Return `strokes` without a straight line at their foot that reaches further than they do on both sides."""
    x, y, width, height = cv2.boundingRect(strokes)
    if width == 0:
        return strokes
    part = strokes[y : y + height, x : x + width]
    thicker = cv2.dilate(part, np.ones((3, 1), np.uint8))
    runs = cv2.morphologyEx(thicker, cv2.MORPH_OPEN, np.ones((1, max(8, round(_RUN * width))), np.uint8))
    if not cv2.countNonZero(runs):
        return strokes
    count, labels, boxes = components(np.asarray(runs, np.uint8))
    for label in range(1, count):
        left, top, length, extent, _ = map(int, boxes[label])
        if length < max(_LONG * width, _FLAT * extent):
            continue
        line = (labels == label).astype(np.uint8)
        thickness = cv2.countNonZero(line & part) / length
        reach = np.ones((round(thickness) + 3, 1), np.uint8)
        crossing = cv2.morphologyEx(part, cv2.MORPH_OPEN, reach, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        rest = np.where(line > 0, crossing, part).astype(np.uint8)
        if _stands_on(_largest(rest), left, top + extent / 2, length, thickness):
            cleaned = strokes.copy()
            cleaned[y : y + height, x : x + width] = rest
            return cleaned
    return strokes


def _largest(mask: Mask) -> tuple[int, int, int, int]:
    _, _, boxes = components(mask)
    x, y, width, height, _ = max(boxes[1:].tolist(), key=lambda box: box[2] * box[3], default=[0] * 5)
    return x, y, width, height


def _stands_on(rest: tuple[int, int, int, int], left: int, middle: float, length: int, thickness: float) -> bool:
    """Tell whether a line lies at the foot of the rest, is thin beside it, and goes beyond it on both sides."""
    x, y, width, height = rest
    out = _STICKS_OUT * length
    beyond = x - left > out and left + length - x - width > out and length > _LONGER * width
    return beyond and thickness < _THICKEST * height and middle > y + (1 - _AT_FOOT) * height
