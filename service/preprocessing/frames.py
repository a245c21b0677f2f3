"""Strokes -> strokes without the box of a form that a digit was written into."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from service.preprocessing.box import Box
from service.preprocessing.illumination import Mask, components

_LEAST = 0.2  # of the picture's longer side: no smaller box holds a digit that is looked for
_DEPTH = 0.08  # of a box's shorter side: so far from its bounds its sides lie, also a little turned
_THICKEST = 0.16  # of a box's shorter side; strokes of a bold 0 are thicker
_BARE = 0.15  # of a side at least has nothing written along it, and is no corner
_CUT = 0.5  # of a side goes on beyond the bounds: they cut through a stroke
_BEYOND = 3  # pixels: a side that lies so near to the picture's border may be lost in it
_INKED_SIDE = 0.9  # of a side: with less ink along it the bounds are no line; a round 0 has a half
_LONG = 0.6  # of a component: so long is a line that may be a box's side
_HELD = 0.25  # of a box's height: so high is at least what was written into it


def without_frames(strokes: Mask, least: float | None = None) -> Mask:
    """Return `strokes` without boxes that something is written into; where a stroke crosses a side it stays whole.

    A box of which the picture's border cuts sides off is one too. An empty one stays: it may be a 0. `least` is the
    shorter side of the smallest box in pixels, by default that of one that holds the only digit.
    """
    height, width = strokes.shape
    least = _LEAST * max(height, width) if least is None else least
    _, labels, boxes = components(strokes)
    cleaned = strokes
    for label in np.flatnonzero(boxes[1:, 2:4].min(axis=1) >= least) + 1:
        whole = Box(*boxes[label][:4].tolist())
        alone = (labels[whole.slices(0)] == label).view(np.uint8)
        for bounds in _bounds(alone, least):
            box = bounds.moved(whole.left, whole.top)
            before = box.left <= _BEYOND, box.top <= _BEYOND
            beyond = (*before, box.right >= width - _BEYOND, box.bottom >= height - _BEYOND)
            inside, part = _emptied(alone, bounds, least, beyond), box.slices(0)
            if inside is None:
                continue
            side = alone[bounds.slices(0)]
            _, _, held = components(np.where(side, inside, strokes[part]))
            if held[1:, cv2.CC_STAT_HEIGHT].max(initial=0) >= _HELD * box.height:
                cleaned = cleaned.copy()
                cleaned[part] = np.where(side, inside, cleaned[part])
                break
    return cleaned


def _bounds(component: Mask, least: float) -> Iterator[Box]:
    """Yield the bounds that a box may have: the component's, and those of its long lines if a stroke leaves the box."""
    height, width = component.shape
    yield Box(0, 0, width, height)
    for side, length in ((1, round(_LONG * width)), (0, round(_LONG * height))):
        inked = cv2.reduce(component, side, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
        long = np.flatnonzero(np.asarray(inked) >= length)
        if long.size and long[-1] - long[0] + 1 >= least:
            lines = _runs(component, length) if side else _runs(component.T, length).T
            yield Box(*cv2.boundingRect(np.ascontiguousarray(lines)))


def _emptied(component: Mask, bounds: Box, least: float, beyond: tuple[bool, ...]) -> Mask | None:
    """Return what is within the bounds of a component without their lines, None where they are no box's.

    `beyond` tells of the left, top, right and bottom side whether it lies at the picture's border.
    """
    box = component[bounds.slices(0)]
    if min(box.shape) < least:
        return None
    sides: list[int | None] = []
    for turned, lost in zip(turns(box), beyond, strict=True):
        sides.append(_side(turned))
        if sides[-1] is None and not lost:
            return None
    # Two that meet are there at least, and the others lie beyond the picture.
    left, top, right, bottom = (thickness is not None for thickness in sides)
    if not ((left or right) and (top or bottom)) or _cut_through(component, bounds):
        return None
    return _without(box, sides)


def _cut_through(component: Mask, bounds: Box) -> bool:
    """Tell whether ink goes on beyond a side, as a thick stroke does and a line does not."""
    padded = np.pad(component, 1)
    around = padded[bounds.top : bounds.bottom + 2, bounds.left : bounds.right + 2]
    return any(turned[1:-1, 0].mean() > _CUT for turned in turns(around))


def turns(box: Mask) -> list[Mask]:
    """Return views of a box with its left, top, right and bottom side on the left."""
    return [box, box.T, box[:, ::-1], box[::-1].T]


def _side(box: Mask) -> int | None:
    """Return how thick the line along the left bound is, in pixels; None where there is none."""
    depth = max(3, round(_DEPTH * min(box.shape)))
    covered = box[:, :depth].any(axis=1)
    if covered.mean() < _INKED_SIDE:
        return None
    thickness = int(np.quantile(_first_runs(box[covered, : 3 * depth]), _BARE))
    return thickness if thickness <= _THICKEST * min(box.shape) else None


def _first_runs(rows: Mask) -> npt.NDArray[np.intp]:
    """Return how many pixels follow one another in each row from its first on."""
    column, first = np.arange(rows.shape[1]), rows.argmax(axis=1)
    past = (column > first[:, None]) & (rows == 0)
    return np.asarray(np.where(past.any(axis=1), past.argmax(axis=1), rows.shape[1]) - first)


def _without(box: Mask, sides: list[int | None]) -> Mask:
    """Return a box without its sides, but with the strokes that cross them or run beside them."""
    gone, lines = np.zeros((2, *box.shape), np.uint8)
    for thickness, turned, gone_there, lines_there in zip(sides, *map(turns, (box, gone, lines)), strict=True):
        if thickness is not None:
            line = _outermost(turned, thickness)
            gone_there |= line & (1 - _runs(turned, thickness + 3))
            gone_there |= line & lines_there  # where two sides cross each other
            lines_there |= line
    return np.asarray(box & (1 - gone), np.uint8)


def _outermost(box: Mask, thickness: int) -> Mask:
    """Return the first pixels of each row from the left, as many as the line there is thick, and one for its edge."""
    first = box.argmax(axis=1)[:, None]
    column = np.arange(box.shape[1])
    line = (column >= first) & (column <= first + thickness)
    return np.asarray(box & line, np.uint8)


def _runs(mask: Mask, length: int) -> Mask:
    """Return the pixels that lie in a horizontal run of about so many at least; beyond the border there is none."""
    kernel = np.ones((1, length | 1), np.uint8)  # an even one would shift them
    rows = np.ascontiguousarray(mask)
    runs = cv2.morphologyEx(rows, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(runs, np.uint8)
