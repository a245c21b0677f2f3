"""Strokes -> strokes without the box of a form that a digit was written into."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.illumination import Mask, components

_LEAST = 0.1  # of the picture's longer side: no smaller box holds a digit that is looked for
_DEPTH = 0.08  # of a box's shorter side: so far from its bounds its sides lie, also a little turned
_THICKEST = 0.16  # of a box's shorter side; strokes of a bold 0 are thicker
_BARE = 0.15  # of a side at least has nothing written along it, and is no corner
_CUT = 0.5  # of a side goes on beyond the bounds: they cut through a stroke
_BEYOND = 3  # pixels: a side that lies so near to the picture's border may be lost in it
_INKED_SIDE = 0.9  # of a side: with less ink along it the bounds are no line; a round 0 has a half
_LONG = 0.6  # of a component: so long is a line that may be a box's side
_HELD = 0.25  # of a box's height: so high is at least what was written into it
_BAR = 3.0  # times its height: what is wider is the middle of an angular 8


Part = tuple[slice, slice]  # rows and columns


class _Side(NamedTuple):
    """A side of a box: whether a line is there, how thick it is and how far it reaches inwards, in pixels."""

    drawn: bool
    thickness: int
    reach: int


def without_frames(strokes: Mask, least: float | None = None) -> Mask:
    """Return `strokes` without boxes that something is written into; where a stroke crosses a side it stays whole.

    A box of which the picture's border cuts sides off is one too. An empty one stays: it may be a 0. `least` is the
    shorter side of the smallest box in pixels, by default that of one that holds the only digit.
    """
    least = _LEAST * max(strokes.shape) if least is None else least
    count, labels, boxes = components(strokes)
    cleaned = strokes
    for label in range(1, count):
        left, top, width, height = map(int, boxes[label][:4])
        if min(width, height) < least:
            continue
        alone = (labels == label).astype(np.uint8)
        whole = slice(top, top + height), slice(left, left + width)
        for part in _bounds(alone, whole):
            inside = _emptied(alone, part, least)
            if inside is not None and _holds_something(np.where(alone[part], inside, strokes[part])):
                cleaned = cleaned.copy()
                cleaned[part] = np.where(alone[part], inside, cleaned[part])
                break
    return cleaned


def _bounds(component: Mask, whole: Part) -> Iterator[Part]:
    """Yield the bounds that a box may have: the component's, and those of its long lines if a stroke leaves the box."""
    yield whole
    height, width = component[whole].shape
    for lines in (_runs(component, round(_LONG * width)), _runs(component.T, round(_LONG * height)).T):
        left, top, across, down = cv2.boundingRect(np.ascontiguousarray(lines))
        yield slice(top, top + down), slice(left, left + across)


def _emptied(component: Mask, bounds: Part, least: float) -> Mask | None:
    """Return what is within the bounds of a component without their lines, None where they are no box's."""
    box = component[bounds]
    if min(box.shape) < least or _cut_through(component, bounds):
        return None
    rows, columns = bounds
    height, width = component.shape
    borders = (
        columns.start <= _BEYOND,
        rows.start <= _BEYOND,
        columns.stop >= width - _BEYOND,
        rows.stop >= height - _BEYOND,
    )
    sides = [_side(turned) for turned in _turns(box)]
    return _without(box, sides) if _is_box(sides, borders) else None


def _cut_through(component: Mask, bounds: Part) -> bool:
    """Tell whether ink goes on beyond a side, as a thick stroke does and a line does not."""
    rows, columns = bounds
    padded = np.pad(component, 1)
    around = padded[rows.start : rows.stop + 2, columns.start : columns.stop + 2]
    return any(turned[1:-1, 0].mean() > _CUT for turned in _turns(around))


def _turns(box: Mask) -> list[Mask]:
    """Return views of a box with its left, top, right and bottom side on the left."""
    return [np.rot90(box, quarters) for quarters in range(4)]


def _side(box: Mask) -> _Side:
    """Look for a line along the left bound."""
    depth = max(3, round(_DEPTH * min(box.shape)))
    covered = box[:, :depth].any(axis=1)
    if covered.mean() < _INKED_SIDE:
        return _Side(False, 0, 0)
    thickness = int(np.quantile(_first_runs(box[covered, : 3 * depth]), _BARE))
    drawn = thickness <= _THICKEST * min(box.shape)
    return _Side(drawn, thickness, depth + thickness)


def _first_runs(rows: Mask) -> npt.NDArray[np.intp]:
    """Return how many pixels follow one another in each row from its first on."""
    column, first = np.arange(rows.shape[1]), rows.argmax(axis=1)
    past = (column > first[:, None]) & (rows == 0)
    return np.asarray(np.where(past.any(axis=1), past.argmax(axis=1), rows.shape[1]) - first)


def _is_box(sides: list[_Side], borders: tuple[bool, ...]) -> bool:
    """Tell whether the sides are a box's: two that meet are drawn at least, and the others lie beyond the picture."""
    drawn = [side.drawn for side in sides]
    if not all(there or beyond for there, beyond in zip(drawn, borders, strict=True)):
        return False
    return (drawn[0] or drawn[2]) and (drawn[1] or drawn[3])


def _without(box: Mask, sides: list[_Side]) -> Mask:
    """Return a box without its sides, but with the strokes that cross them or run beside them."""
    gone, lines = np.zeros((2, *box.shape), np.uint8)
    for side, turned, gone_there, lines_there in zip(sides, *map(_turns, (box, gone, lines)), strict=True):
        if side.drawn:
            line = _outermost(turned, side)
            gone_there |= line & (1 - _runs(turned, side.thickness + 3))
            gone_there |= line & lines_there  # where two sides cross each other
            lines_there |= line
    return np.asarray(box & (1 - gone), np.uint8)


def _outermost(box: Mask, side: _Side) -> Mask:
    """Return the first pixels of each row from the left, as many as the line there is thick, and one for its edge."""
    first = np.where(box.any(axis=1), box.argmax(axis=1), side.reach)[:, None]
    column = np.arange(box.shape[1])
    line = (column >= first) & (column <= first + side.thickness) & (first < side.reach)
    return np.asarray(box & line, np.uint8)


def _runs(mask: Mask, length: int) -> Mask:
    """Return the pixels that lie in a horizontal run of about so many at least; beyond the border there is none."""
    kernel = np.ones((1, length | 1), np.uint8)  # an even one would shift them
    rows = np.ascontiguousarray(mask)
    runs = cv2.morphologyEx(rows, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(runs, np.uint8)


def _holds_something(inside: Mask) -> bool:
    _, _, boxes = components(inside)
    widths, heights = boxes[1:, cv2.CC_STAT_WIDTH], boxes[1:, cv2.CC_STAT_HEIGHT]
    return bool(((heights >= _HELD * inside.shape[0]) & (widths <= _BAR * heights)).any())
